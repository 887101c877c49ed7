#pragma once
#include <utility>
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_sinkhorn_oracle.hpp"
#include "problems.hpp"
#include "random.hpp"
#include "run.hpp"
namespace kit {
/// What a test of the iterations runs in; scaling only where costs are small beside epsilon.
inline constexpr mlot::sinkhorn_domain every_domain[] = {mlot::sinkhorn_domain::scaling,
                                                         mlot::sinkhorn_domain::absorbed,
                                                         mlot::sinkhorn_domain::logarithmic};
/// Whether that domain can be asked for at max |C| / epsilon = `steepness` and marginals alike.
template <class T>
bool allowed_in(mlot::sinkhorn_domain domain, double steepness) {
  return domain != mlot::sinkhorn_domain::scaling ||
         steepness <= mlot::sinkhorn<T, mlot::host_memory>::safe_exponent();
}

/// Everything that a batch of Sinkhorn problems reads and writes.
template <class T>
struct sinkhorn_batch {
  using index_t = mlot::index_t;
  kit::problems problems;
  index_t iterations, kept;
  T epsilon = T(0.1);
  T tolerance = T(0);
  mlot::sinkhorn_domain domain = mlot::sinkhorn_domain::automatic;
  bool warm = false;  ///< whether the iterations start from `warm_start`
  framed<T> cost, row_marginal, column_marginal, row_scaling, column_scaling, plan, distance,
      gradient;
  framed<index_t> logarithmic, done, converged;
  framed<T> warm_start, row_error, column_error, row_potential, column_potential, regularised, dual,
      row_marginal_gradient, column_marginal_gradient;

  /// `kept`: rows of the history, 0 for all.
  sinkhorn_batch(kit::problems shapes, index_t rounds, index_t rows_kept = 0,
                 layout where = {1, 3, 1})
      : problems(std::move(shapes)),
        iterations(rounds),
        kept(rows_kept > 0 ? rows_kept : rounds),
        cost(problems.rows(), problems.longest_row + 1, where),
        row_marginal(problems.rows()),
        column_marginal(problems.columns()),
        row_scaling(kept, problems.rows(), where),
        column_scaling(kept, problems.columns(), where),
        plan(problems.rows(), problems.longest_row + 2, where),
        distance(problems.count()),
        gradient(problems.rows(), problems.longest_row + 1, where),
        logarithmic(problems.count()),
        done(problems.count()),
        converged(problems.count()),
        warm_start(problems.columns()),
        row_error(problems.count()),
        column_error(problems.count()),
        row_potential(problems.rows()),
        column_potential(problems.columns()),
        regularised(problems.count()),
        dual(problems.count()),
        row_marginal_gradient(problems.rows()),
        column_marginal_gradient(problems.columns()) {
    fill(row_marginal, [](index_t, index_t) { return T(1); });
    fill(column_marginal, [](index_t, index_t) { return T(1); });
    draw_cost(1, 2);
  }
  /// Costs in [0, largest], with both ends among them.
  void draw_cost(std::uint64_t seed, double largest) {
    random_source random(seed);
    index_t n = 0;
    problems.for_each([&](index_t i, index_t j, index_t) {
      cost(i, j) = n < 2 ? T(double(n) * largest) : T(random.uniform(0, largest));
      ++n;
    });
  }
  void draw_marginals(std::uint64_t seed) {
    random_source random(seed);
    auto const mass = [&](index_t, index_t) { return T(random.uniform(0.2, 3)); };
    fill(row_marginal, mass);
    fill(column_marginal, mass);
  }
  mlot::sinkhorn<T, mlot::host_memory> primitive() {
    return {.batch = problems.view(),
            .cost = cost.matrix(),
            .row_marginal = mlot::host::vector<T const>(row_marginal.vector()),
            .column_marginal = mlot::host::vector<T const>(column_marginal.vector()),
            .epsilon = epsilon,
            .iterations = iterations,
            .tolerance = tolerance,
            .domain = domain,
            .warm_start = warm ? mlot::host::vector<T const>(warm_start.vector())
                               : mlot::host::vector<T const>(),
            .history = {row_scaling.matrix(), column_scaling.matrix(), logarithmic.vector(),
                        done.vector()},
            .plan = plan.matrix(),
            .distance = distance.vector(),
            .report = {.converged = converged.vector(),
                       .row_error = row_error.vector(),
                       .column_error = column_error.vector(),
                       .row_potential = row_potential.vector(),
                       .column_potential = column_potential.vector(),
                       .regularised = regularised.vector(),
                       .dual = dual.vector()}};
  }
  mlot::sinkhorn_gradient<T, mlot::host_memory> backward() {
    return {.of = primitive(),
            .cost_gradient = gradient.matrix(),
            .row_marginal_gradient = row_marginal_gradient.vector(),
            .column_marginal_gradient = column_marginal_gradient.vector()};
  }
  template <class Device>
  void forward() {
    succeeds<Device>(primitive());
    REQUIRE(problems.exactly_written(plan));
    REQUIRE(distance.exactly_written());
    REQUIRE(logarithmic.exactly_written());
    REQUIRE(done.exactly_written());
    if (tolerance == T(0)) {
      REQUIRE(row_scaling.exactly_written());
      REQUIRE(column_scaling.exactly_written());
    }
    for (auto* each :
         {&row_error, &column_error, &row_potential, &column_potential, &regularised, &dual})
      REQUIRE(each->exactly_written());
    REQUIRE(converged.exactly_written());
  }
  template <class Device>
  void forward_and_back() {
    forward<Device>();
    succeeds<Device>(backward());
    REQUIRE(problems.exactly_written(gradient));
    REQUIRE(row_marginal_gradient.exactly_written());
    REQUIRE(column_marginal_gradient.exactly_written());
  }
  bool untouched() const {
    return plan.untouched() && distance.untouched() && logarithmic.untouched() &&
           row_scaling.untouched() && column_scaling.untouched() && gradient.untouched();
  }
  oracle::vector marginal(framed<T>& m, index_t first, index_t count) {
    oracle::vector x;
    for (index_t i = first; i < first + count; ++i) x.push_back(m(i));
    return x;
  }
  oracle::vector a(index_t b) {
    return marginal(row_marginal, problems.view().row_offset(b), problems.view().row_count(b));
  }
  oracle::vector b_of(index_t b) {
    return marginal(column_marginal, problems.view().column_offset(b),
                    problems.view().column_count(b));
  }
  oracle::transport expected(index_t b) {
    return oracle::sinkhorn(problems.part(cost.matrix(), b), a(b), b_of(b), epsilon,
                            std::size_t(iterations));
  }
  oracle::matrix expected_gradient(index_t b) {
    return oracle::sinkhorn_gradient(problems.part(cost.matrix(), b), a(b), b_of(b), epsilon,
                                     std::size_t(iterations));
  }
};

/// Error of a matrix over a batch, relative to the norm of one problem.
template <class T>
double error_of(problems const& all, framed<T>& is, index_t b, oracle::matrix const& should) {
  norm_error error;
  auto const part = all.part(is.matrix(), b);
  for (std::size_t i = 0; i < part.size(); ++i)
    for (std::size_t j = 0; j < part[i].size(); ++j) error.add(part[i][j], should[i][j]);
  return error.value();
}
}  // namespace kit
