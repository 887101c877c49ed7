// A transport plan looked at without keeping it: two bumps on a line are moved into one, and every
// row of the plan becomes a row of a picture, dark where mass goes. Given a folder, the program
// writes plan.pgm there (16 bits a pixel).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <string>
#if __has_include(<xsimd/xsimd.hpp>)
#  include <mlot/simd.hpp>
using fastest = mlot::on::simd<>;
#else
#  include <mlot/mlot.hpp>
using fastest = mlot::on::scalar;
#endif
using mlot::index_t;
using row_view = mlot::host::vector<double const>;

struct bump {
  double centre, width, share;
};
/// A density at the grid's points, with sum 1 and a little mass everywhere.
std::vector<double> density(std::vector<double> const& grid, std::initializer_list<bump> bumps) {
  std::vector<double> mass;
  double sum = 0;
  for (double const x : grid) {
    mass.push_back(1e-3);
    for (bump const& b : bumps)
      mass.back() += b.share / b.width * std::exp(-0.5 * std::pow((x - b.centre) / b.width, 2));
    sum += mass.back();
  }
  for (double& m : mass) m /= sum;
  return mass;
}

int main(int count, char** arguments) {
  index_t const n = 120, offsets[] = {0, n};
  std::vector<double> grid;
  for (index_t i = 0; i < n; ++i) grid.push_back((double(i) + 0.5) / double(n));
  auto const a = density(grid, {{0.25, 0.06, 0.6}, {0.7, 0.09, 0.4}});
  auto const b = density(grid, {{0.5, 0.12, 1}});

  using cost = mlot::table_cost<double, mlot::host_memory, mlot::squared_difference>;
  std::vector<double> u(n), v(n);
  double distance = 0, row_error = 0;
  index_t logarithmic = 0, iterations = 0, converged = 0;
  mlot::sinkhorn<double, mlot::host_memory, cost> const transport{
      .batch = {{offsets, 2}, {offsets, 2}, n, n, n},
      .cost = {.teacher = {grid.data(), n, 1, 1}, .student = {grid.data(), n, 1, 1}},
      .row_marginal = {row_view{a.data(), n}},
      .column_marginal = {row_view{b.data(), n}},
      .epsilon = 0.004,
      .iterations = 2000,
      .tolerance = 1e-5,
      .history = {{u.data(), 1, n, n}, {v.data(), 1, n, n}, {&logarithmic, 1}, {&iterations, 1}},
      .distance = {&distance, 1},
      .report = {.converged = {&converged, 1}, .row_error = {&row_error, 1}}};
  mlot::scratch_buffer scratch;
  fastest const device;
  auto const status = mlot::compute(device, transport, scratch.for_call(device, transport));
  if (!status.ok()) return std::puts(mlot::describe(status).c_str()), 1;

  // The plan goes by twice: once for its sums and its largest entry, once for the picture.
  auto const look = [&](auto receive) {
    mlot::plan_rows<double, mlot::host_memory, cost, decltype(receive)> const rows{
        .of = transport, .receive = receive};
    return mlot::compute(device, rows, scratch.for_call(device, rows)).ok();
  };
  double largest = 0, error = 0, last_mean = 0;
  bool in_order = true;
  std::vector<double> column_sums(n);
  bool const looked = look([&](index_t, index_t i, row_view row) {
    double sum = 0, mean = 0;
    for (index_t j = 0; j < n; ++j) {
      sum += row(j);
      mean += row(j) * grid[std::size_t(j)];
      column_sums[std::size_t(j)] += row(j);
      largest = std::max(largest, row(j));
    }
    error += std::fabs(sum - a[std::size_t(i)]);
    in_order &= mean / sum > last_mean;  // mass that lies further right goes further right
    last_mean = mean / sum;
  });
  for (std::size_t j = 0; j < n; ++j) error += std::fabs(column_sums[j] - b[j]);
  std::printf("%d iterations, cost %.5f, sums off by %.1e\n", int(iterations), distance, error);

  if (count > 1) {
    std::FILE* const file = std::fopen((std::string(arguments[1]) + "/plan.pgm").c_str(), "wb");
    if (file == nullptr) return 1;
    std::fprintf(file, "P5\n%d %d\n65535\n", int(n), int(n));
    bool const drawn = look([&](index_t, index_t, row_view row) {
      for (index_t j = 0; j < n; ++j) {
        auto const grey = std::uint16_t(std::lround(65535 * (1 - row(j) / largest)));
        std::fputc(grey >> 8, file);
        std::fputc(grey & 255, file);
      }
    });
    if (std::fclose(file) != 0 || !drawn) return 1;
  }
  return looked && converged == 1 && in_order && error <= 2e-5 ? 0 : 1;
}
