#include <Eigen/QR>

#include "mlot/cost/squared_difference.hpp"
#include "mlot/interop/implicit.hpp"
#include "primitive/sinkhorn_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
sinkhorn_domain const both_domains[] = {sinkhorn_domain::scaling, sinkhorn_domain::logarithmic};
template <class T>
constexpr bool single = std::is_same_v<T, float>;
index_t const never = 0, always = 1000;  // solved directly

/// A batch with outputs of one kind of derivative beside those of the unrolled one.
template <class T, class Derivative>
struct derivative_batch : kit::sinkhorn_batch<T> {
  using base = kit::sinkhorn_batch<T>;
  Derivative how{};
  kit::framed<T> other_gradient, other_rows, other_columns, residual;
  kit::framed<index_t> solver_iterations;

  derivative_batch(std::vector<std::pair<index_t, index_t>> const& shapes, index_t rounds,
                   index_t rows_kept = 0)
      : base(kit::problems(shapes), rounds, rows_kept),
        other_gradient(base::problems.rows(), base::problems.longest_row + 2),
        other_rows(base::problems.rows()),
        other_columns(base::problems.columns()),
        residual(base::problems.count()),
        solver_iterations(base::problems.count()) {
    base::draw_marginals(8);
    base::epsilon = T(0.4);
  }
  /// The same numbers in another type.
  void take_inputs(auto& from) {
    base::problems.for_each(
        [&](index_t i, index_t j, index_t) { base::cost(i, j) = T(from.cost(i, j)); });
    kit::fill(base::row_marginal, [&](index_t, index_t i) { return T(from.row_marginal(i)); });
    kit::fill(base::column_marginal,
              [&](index_t, index_t j) { return T(from.column_marginal(j)); });
  }
  sinkhorn_gradient<T, host_memory, Derivative> other() {
    sinkhorn_gradient<T, host_memory, Derivative> p{
        .of = base::primitive(), .cost_gradient = other_gradient.matrix(), .how = how};
    if (how.of_marginals) {
      p.row_marginal_gradient = other_rows.vector();
      p.column_marginal_gradient = other_columns.vector();
    }
    if (how.solves) p.solution = {residual.vector(), solver_iterations.vector()};
    return p;
  }
  template <class Device>
  void run_other() {
    kit::succeeds<Device>(other());
    REQUIRE(base::problems.exactly_written(other_gradient));
    if (how.of_marginals) {
      REQUIRE(other_rows.exactly_written());
      REQUIRE(other_columns.exactly_written());
    }
    if (how.solves) {
      REQUIRE(residual.exactly_written());
      REQUIRE(solver_iterations.exactly_written());
    }
  }
  bool others_untouched() const {
    return other_gradient.untouched() && other_rows.untouched() && other_columns.untouched() &&
           residual.untouched() && solver_iterations.untouched();
  }
};

double difference(auto& is, auto& should) {
  kit::norm_error error;
  for (index_t j = 0; j < is.cols(); ++j) error.add(is(j), should(j));
  return error.value();
}

/// dSD/dC of the fixed point from its whole system, solved as it stands.
oracle::matrix dense_solution(oracle::matrix const& plan, oracle::matrix const& cost,
                              oracle::number epsilon) {
  using matrix = Eigen::Matrix<oracle::number, Eigen::Dynamic, Eigen::Dynamic>;
  auto const rows = Eigen::Index(plan.size()), columns = Eigen::Index(plan.front().size());
  matrix system = matrix::Zero(rows + columns, rows + columns);
  matrix right = matrix::Zero(rows + columns, 1);
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index j = 0; j < columns; ++j) {
      oracle::number const p = plan[std::size_t(i)][std::size_t(j)];
      oracle::number const moved = p > 0 ? p * cost[std::size_t(i)][std::size_t(j)] : 0;
      system(i, i) += p;
      system(rows + j, rows + j) += p;
      system(i, rows + j) = system(rows + j, i) = p;
      right(i, 0) += moved;
      right(rows + j, 0) += moved;
    }
  matrix const solution = system.completeOrthogonalDecomposition().solve(right);
  oracle::matrix gradient = plan;
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index j = 0; j < columns; ++j)
      if (oracle::number& p = gradient[std::size_t(i)][std::size_t(j)]; p > 0)
        p *= 1 + (solution(i, 0) + solution(rows + j, 0) - cost[std::size_t(i)][std::size_t(j)]) /
                     epsilon;
  return gradient;
}

std::vector<std::pair<index_t, index_t>> const ragged{{9, 14}, {70, 40}, {1, 6},  {5, 1},
                                                      {0, 3},  {3, 0},   {20, 33}};
}  // namespace

TEMPLATE_LIST_TEST_CASE("at convergence the implicit gradient is the unrolled one", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  double const enough = single<T> ? 2e-5 : 1e-10;
  for (sinkhorn_domain const domain : both_domains)
    for (bool const holes : {false, true}) {
      derivative_batch<T, derivative::implicit> all(ragged, 200, 1);
      derivative_batch<double, derivative::unrolled> exact(ragged, 200);
      all.domain = exact.domain = domain;
      exact.epsilon = double(all.epsilon);
      if (holes)
        for (index_t const n : {0, 3, 40}) all.row_marginal(n) = all.column_marginal(n + 1) = T(0);
      exact.take_inputs(all);
      exact.template forward_and_back<Device>();
      all.template forward<Device>();
      for (index_t const direct : {never, always}) {
        all.how = {.tolerance = 1e-12, .direct = direct};
        all.template run_other<Device>();
        CAPTURE(int(domain), holes, direct);
        for (index_t b = 0; b < all.problems.count(); ++b) {
          CAPTURE(b);
          CHECK(kit::error_of(all.problems, all.other_gradient, b,
                              all.problems.part(exact.gradient.matrix(), b)) <= enough);
          CHECK(all.residual(b) <= (single<T> ? T(2e-6) : T(1e-11)));
        }
        for (index_t const b : {0, 1, 6})
          CHECK((all.solver_iterations(b) > 0) == (direct == never));
        CHECK(difference(all.other_rows, exact.row_marginal_gradient) <= enough);
        CHECK(difference(all.other_columns, exact.column_marginal_gradient) <= enough);
      }
    }
}

TEMPLATE_LIST_TEST_CASE("the envelope is what differences of the regularised value find",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : both_domains) {
    derivative_batch<double, derivative::envelope> all({{6, 4}, {3, 7}}, 200, 1);
    all.domain = domain;
    all.row_marginal(2) = all.column_marginal(5) = 0;
    all.template forward<Device>();
    all.template run_other<Device>();
    double const h = 1e-3;
    auto const slope = [&](double& x, index_t b) {
      double const middle = x;
      auto const value_at = [&](double y) {
        x = y;
        kit::succeeds<Device>(all.primitive());
        return all.regularised(b);
      };
      double const answer = (8 * (value_at(middle + h) - value_at(middle - h)) -
                             (value_at(middle + 2 * h) - value_at(middle - 2 * h))) /
                            (12 * h);
      x = middle;
      return answer;
    };
    kit::norm_error cost, rows, columns;
    all.problems.for_each([&](index_t i, index_t j, index_t b) {
      cost.add(all.other_gradient(i, j), slope(all.cost(i, j), b));
    });
    for (index_t i = 0; i < 9; ++i)
      rows.add(all.other_rows(i), i == 2 ? 0 : slope(all.row_marginal(i), i < 6 ? 0 : 1));
    for (index_t j = 0; j < 11; ++j)
      columns.add(all.other_columns(j), j == 5 ? 0 : slope(all.column_marginal(j), j < 4 ? 0 : 1));
    CAPTURE(int(domain));
    CHECK(cost.value() <= 1e-9);
    CHECK(rows.value() <= 1e-8);
    CHECK(columns.value() <= 1e-8);
  }
}

TEMPLATE_LIST_TEST_CASE("a constant plan's gradient is the plan", "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : both_domains)
    for (index_t const kept : {0, 1}) {
      derivative_batch<T, derivative::plan_constant> all(ragged, 5, kept);
      all.domain = domain;
      all.template forward<typename TestType::device>();
      all.template run_other<typename TestType::device>();
      for (index_t b = 0; b < all.problems.count(); ++b)
        CHECK(kit::error_of(all.problems, all.other_gradient, b,
                            all.problems.part(all.plan.matrix(), b)) <= (single<T> ? 1e-6 : 1e-14));
    }
}

TEMPLATE_LIST_TEST_CASE("before convergence it is implicit at the marginals that the plan has",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : both_domains) {
    derivative_batch<double, derivative::implicit> early(ragged, 2, 1);
    derivative_batch<double, derivative::unrolled> late(ragged, 250);
    early.domain = late.domain = domain;
    early.how.tolerance = 1e-13;
    early.template forward<Device>();
    early.template run_other<Device>();
    late.take_inputs(early);
    auto const shape = early.problems.view();
    kit::norm_error rows;
    for (index_t b = 0; b < shape.problems(); ++b) {
      double own = 0, given = 0;
      for (index_t i = shape.row_offset(b); i < shape.row_offset(b + 1); ++i) {
        given += early.row_marginal(i);
        late.row_marginal(i) = 0;
        for (index_t j = 0; j < shape.column_count(b); ++j)
          late.row_marginal(i) += early.plan(i, j);
        own += late.row_marginal(i);
      }
      for (index_t i = shape.row_offset(b); i < shape.row_offset(b + 1) && own > 0; ++i)
        early.other_rows(i) *= given / own;  // undoes what scales a to sum(b)
    }
    late.template forward_and_back<Device>();
    CAPTURE(int(domain));
    CHECK(kit::error_of(early.problems, early.plan, 1,
                        early.problems.part(late.plan.matrix(), 1)) <= 1e-12);
    for (index_t b = 0; b < shape.problems(); ++b)
      CHECK(kit::error_of(early.problems, early.other_gradient, b,
                          early.problems.part(late.gradient.matrix(), b)) <= 1e-10);
    CHECK(difference(early.other_rows, late.row_marginal_gradient) <= 1e-10);
    CHECK(difference(early.other_columns, late.column_marginal_gradient) <= 1e-10);
    CHECK(double(early.row_error(1)) > 1e-3);
  }
}

TEMPLATE_LIST_TEST_CASE("plans that fall into parts have finite gradients and small residuals",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (index_t const direct : {never, always})
    for (double const epsilon : {0.1, 0.05, 0.03, 0.02, 0.01, 0.001}) {
      derivative_batch<T, derivative::implicit> all({{12, 12}, {40, 40}, {8, 24}, {1, 1}}, 50, 1);
      all.how = {.tolerance = 0, .direct = direct};
      kit::fill(all.row_marginal, [](index_t, index_t) { return T(1); });
      kit::fill(all.column_marginal, [](index_t, index_t) { return T(1); });
      auto const shape = all.problems.view();
      all.problems.for_each([&](index_t i, index_t j, index_t b) {  // a row has its columns
        bool const own = j % shape.row_count(b) == i - shape.row_offset(b);
        all.cost(i, j) = T(0.1) * all.cost(i, j) + (own ? T(0) : T(0.8));
      });
      all.epsilon = T(epsilon);
      all.template forward<Device>();
      all.template run_other<Device>();
      CAPTURE(direct, epsilon);
      for (index_t b = 0; b < shape.problems(); ++b) {
        CAPTURE(b);
        CHECK(all.residual(b) <= (single<T> ? T(4e-6) : T(1e-12)));
        auto const should = dense_solution(all.problems.part(all.plan.matrix(), b),
                                           all.problems.part(all.cost.matrix(), b), all.epsilon);
        CHECK(kit::error_of(all.problems, all.other_gradient, b, should) <=
              (single<T> ? 1e-4 : 1e-10));
      }
    }
}
