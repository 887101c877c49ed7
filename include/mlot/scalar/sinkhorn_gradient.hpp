#pragma once
#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/scalar/sinkhorn.hpp"
namespace mlot::on {
/// x^r and y^r of all problems, and the log-adjoints alpha and beta.
template <real T>
struct sinkhorn_adjoints {
  matrix_view<T, host_memory> x, y;         ///< (N, column tokens), (N, row tokens)
  vector_view<T, host_memory> alpha, beta;  ///< (row tokens), (column tokens)
  sinkhorn_adjoints(sinkhorn<T, host_memory> const& p, arena<host_memory>& space)
      : x(space.matrix<T>(p.iterations, p.batch.columns)),
        y(space.matrix<T>(p.iterations, p.batch.rows)),
        alpha(space.vector<T>(p.batch.rows)),
        beta(space.vector<T>(p.batch.columns)) {}
};

template <real T>
std::size_t scratch_size(scalar, sinkhorn_gradient<T, host_memory> const& p) {
  arena<host_memory> space;
  sinkhorn_adjoints<T>(p.of, space);
  return space.bytes();
}

/// The unrolled gradient of one problem; `gradient` holds the kernel until the end.
template <real T>
void differentiate(sinkhorn_problem<T> const& problem, sinkhorn_adjoints<T> const& all,
                   matrix_view<T, host_memory> gradient) {
  index_t const rows = problem.rows, columns = problem.columns;
  index_t const iterations = problem.done();
  auto const x = [&](index_t r, index_t j) -> T& { return all.x(r - 1, problem.column_first + j); };
  auto const y = [&](index_t r, index_t i) -> T& { return all.y(r - 1, problem.row_first + i); };
  auto const alpha = [&](index_t i) -> T& { return all.alpha(problem.row_first + i); };
  auto const beta = [&](index_t j) -> T& { return all.beta(problem.column_first + j); };
  auto const share = [](T const& adjoint, T const& marginal) {
    return marginal > T(0) ? T(adjoint / marginal) : T(0);
  };
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) gradient(i, j) = problem.kernel(i, j);
  auto const after = [&](index_t r, index_t i, index_t j) {  // P(r, r)
    return problem.entry(problem.u(r, i), gradient(i, j), problem.v(r, j));
  };
  auto const between = [&](index_t r, index_t i, index_t j) {  // P(r, r - 1)
    return problem.entry(problem.u(r, i), gradient(i, j), problem.v_before(r, j));
  };

  for (index_t i = 0; i < rows; ++i) alpha(i) = T(0);
  for (index_t j = 0; j < columns; ++j) beta(j) = T(0);
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      T const moved = after(iterations, i, j) * problem.cost(i, j);
      alpha(i) += moved;
      beta(j) += moved;
    }
  for (index_t r = iterations; r >= 1; --r) {
    for (index_t j = 0; j < columns; ++j) x(r, j) = share(beta(j), problem.b_of(j));
    for (index_t i = 0; i < rows; ++i) {
      wide_t<T> sum(alpha(i));
      for (index_t j = 0; j < columns; ++j) sum -= T(after(r, i, j) * x(r, j));
      y(r, i) = share(T(sum), problem.a(i));
      alpha(i) = T(0);
    }
    for (index_t j = 0; j < columns; ++j) {
      wide_t<T> sum(0);
      for (index_t i = 0; i < rows; ++i) sum -= T(between(r, i, j) * y(r, i));
      beta(j) = T(sum);
    }
  }
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      T const mass = after(iterations, i, j);
      wide_t<T> exponent_adjoint(T(mass * problem.cost(i, j)));
      for (index_t r = 1; r <= iterations; ++r)
        exponent_adjoint -= T(after(r, i, j) * x(r, j) + between(r, i, j) * y(r, i));
      gradient(i, j) = T(mass - T(exponent_adjoint) / problem.p.epsilon);
    }
}

/// dSD/da = sum_r y^r and dSD/db = sum_r x^r of one problem, where y(r, i) and x(r, j) answer them. P
/// does not see the factor that scales a to sum(b): it multiplies the gradient, and nothing comes
/// through it.
template <real T, class Y, class X>
void write_marginal_gradients(sinkhorn_gradient<T, host_memory> const& p,
                              sinkhorn_problem<T> const& problem, Y y, X x) {
  index_t const iterations = problem.done();
  for (index_t i = 0; i < problem.rows && !p.row_marginal_gradient.empty(); ++i) {
    wide_t<T> sum(0);
    for (index_t r = 1; r <= iterations; ++r) sum += y(r, i);
    p.row_marginal_gradient(problem.row_first + i) = T(T(sum) * problem.balance);
  }
  for (index_t j = 0; j < problem.columns && !p.column_marginal_gradient.empty(); ++j) {
    wide_t<T> sum(0);
    for (index_t r = 1; r <= iterations; ++r) sum += x(r, j);
    p.column_marginal_gradient(problem.column_first + j) = T(sum);
  }
}

template <real T>
status run(scalar, sinkhorn_gradient<T, host_memory> const& p, workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  sinkhorn_adjoints<T> const all(p.of, space);
  for (index_t b = 0; b < p.of.batch.problems(); ++b) {
    sinkhorn_problem<T> const problem{p.of, b};
    differentiate(problem, all, p.of.batch.of(p.cost_gradient, b));
    write_marginal_gradients(
        p, problem, [&](index_t r, index_t i) { return all.y(r - 1, problem.row_first + i); },
        [&](index_t r, index_t j) { return all.x(r - 1, problem.column_first + j); });
  }
  return {};
}
}  // namespace mlot::on
