// How to choose epsilon and the number of iterations, on points of a line: there the unregularised
// optimum is known, for it pairs the points in their order. A smaller epsilon comes nearer to it
// and takes more iterations, fewer when larger ones lead the way.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <mlot/mlot.hpp>
#include <random>

using points = std::vector<double>;
constexpr mlot::index_t n = 60;

struct answer {
  mlot::index_t iterations = 0, converged = 0;
  double sharp = 0, regularised = 0;  // <P, C>, and with epsilon KL(P | a b^T) added
  std::vector<double> column_potential = std::vector<double>(n);
};
/// Sinkhorn between n points x and n points y of mass 1 / n, from the column potential `start` on
/// where there is one.
answer solve(points const& x, points const& y, double epsilon, double tolerance,
             std::vector<double> const& start = {}) {
  answer all;
  mlot::index_t const offsets[] = {0, n};
  mlot::index_t logarithmic = 0;
  std::vector<double> u(n), v(n), cost(n * n), plan(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) cost[i * n + j] = std::fabs(x[i] - y[j]);
  mlot::sinkhorn<double, mlot::host_memory> const transport{
      .batch = {{offsets, 2}, {offsets, 2}, n, n, n},
      .cost = {cost.data(), n, n, n},
      .row_marginal = {1. / n},
      .column_marginal = {1. / n},
      .epsilon = epsilon,
      .iterations = 20000,
      .tolerance = tolerance,
      .warm_start = {start.data(), mlot::index_t(start.size())},
      .history = {{u.data(), 1, n, n},
                  {v.data(), 1, n, n},
                  {&logarithmic, 1},
                  {&all.iterations, 1}},
      .plan = {plan.data(), n, n, n},
      .distance = {&all.sharp, 1},
      .report = {.converged = {&all.converged, 1},
                 .column_potential = {all.column_potential.data(), n},
                 .regularised = {&all.regularised, 1}}};
  mlot::scratch_buffer scratch;
  mlot::on::scalar const device;
  auto const s = mlot::compute(device, transport, scratch.for_call(device, transport));
  if (!s.ok()) std::puts(mlot::describe(s).c_str());
  return all;
}

int main() {
  std::mt19937 generator(3);
  points x(n), y(n);
  for (double& at : x) at = 0x1p-32 * double(generator());
  for (double& at : y) at = std::sqrt(0x1p-32 * double(generator()));
  points sorted_x = x, sorted_y = y;
  std::sort(sorted_x.begin(), sorted_x.end());
  std::sort(sorted_y.begin(), sorted_y.end());
  double optimum = 0;
  for (std::size_t i = 0; i < n; ++i) optimum += std::fabs(sorted_x[i] - sorted_y[i]) / n;

  bool right = true;
  double last_gap = 1e9;
  mlot::index_t last_iterations = 0;
  std::printf("           iterations to\n");
  std::printf("epsilon    1e-2   1e-4   1e-6   <P, C>     regularised  gap\n");
  for (double const epsilon : {0.5, 0.2, 0.1, 0.05, 0.02, 0.01}) {
    auto const rough = solve(x, y, epsilon, 1e-2), middle = solve(x, y, epsilon, 1e-4);
    auto const fine = solve(x, y, epsilon, 1e-6);
    double const gap = fine.sharp - optimum;
    std::printf("%-8g %6d %6d %6d   %.6f   %.6f     %.6f\n", epsilon, int(rough.iterations),
                int(middle.iterations), int(fine.iterations), fine.sharp, fine.regularised, gap);
    right &= fine.converged == 1 && gap > 0 && gap < last_gap;
    right &= rough.iterations <= middle.iterations && middle.iterations <= fine.iterations;
    right &= fine.iterations > last_iterations;
    last_gap = gap;
    last_iterations = fine.iterations;
  }
  std::printf("optimum                         %.6f\n\n", optimum);

  // From a large epsilon down: each begins with the potential of the one before.
  double const smallest = 0.001;
  auto const cold = solve(x, y, smallest, 1e-4);
  mlot::index_t total = 0;
  answer stage;  // its potential 0 is where a problem without warm_start begins
  for (double const factor : {64., 32., 16., 8., 4., 2., 1.}) {
    stage = solve(x, y, factor * smallest, factor > 1 ? 1e-2 : 1e-4, stage.column_potential);
    total += stage.iterations;
  }
  std::printf("epsilon %g to 1e-4: %d iterations at once, %d by way of larger ones\n", smallest,
              int(cold.iterations), int(total));
  right &= cold.converged == 1 && stage.converged == 1 && total < cold.iterations;
  right &= std::fabs(stage.sharp - cold.sharp) <= 1e-4;
  return right ? 0 : 1;
}
