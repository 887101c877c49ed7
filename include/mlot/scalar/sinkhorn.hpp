#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/primitive/sinkhorn.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
/// Largest |C|; an entry that is NaN or infinite is larger than all.
template <real T>
T largest_magnitude(matrix_view<T const, host_memory> cost) {
  using std::abs;
  T largest(0);
  for (index_t i = 0; i < cost.rows; ++i)
    for (index_t j = 0; j < cost.cols; ++j) {
      T const c = T(abs(cost(i, j)));
      if (!(c < infinity<T>)) return infinity<T>;
      if (c > largest) largest = c;
    }
  return largest;
}

/// Half a step: the scaling (or its logarithm) that gives one line of the kernel, weighed by the
/// other side's scalings, the mass `marginal`. Nothing to scale: no mass.
template <real T, class Kernel, class Scaling>
T scaling_for(bool logarithmic, T const& marginal, index_t size, Kernel kernel, Scaling other) {
  using std::exp, std::log;
  wide_t<T> sum(0);
  if (!logarithmic) {
    for (index_t k = 0; k < size; ++k) sum += T(kernel(k) * other(k));
    return sum > wide_t<T>(0) ? T(marginal / sum) : T(0);
  }
  T top = -infinity<T>;
  for (index_t k = 0; k < size; ++k)
    if (T const e = kernel(k) + other(k); e > top) top = e;
  if (top == -infinity<T> || marginal == T(0)) return -infinity<T>;
  for (index_t k = 0; k < size; ++k) sum += T(exp(T(kernel(k) + other(k) - top)));
  return T(log(marginal) - top - T(log(sum)));
}

/// Problem b in the numbers of its domain: kernel entries or exponents, scalings or logarithms.
template <real T>
struct sinkhorn_problem {
  sinkhorn<T, host_memory> const& p;
  index_t b;
  bool logarithmic = p.history.logarithmic(b) != 0;
  index_t rows = p.batch.row_count(b), columns = p.batch.column_count(b);
  index_t row_first = p.batch.row_offset(b), column_first = p.batch.column_offset(b);
  matrix_view<T const, host_memory> cost = p.batch.of(p.cost, b);
  T balance = mean(p.column_marginal, column_first, columns, rows) /
              mean(p.row_marginal, row_first, rows, rows);

  /// Sum of marginals / divisor, or 1 where nothing has mass.
  static T mean(one_or_each<T, host_memory> const& marginal, index_t first, index_t count,
                index_t divisor) {
    wide_t<T> sum(0);
    for (index_t i = first; i < first + count; ++i) sum += T(marginal(i) / T(double(divisor)));
    return sum > wide_t<T>(0) ? T(sum) : T(1);
  }
  /// ln(largest / smallest) of the marginals that are not 0, both sides added.
  double marginal_spread() const {
    auto const spread = [](one_or_each<T, host_memory> const& marginal, index_t first,
                           index_t count) {
      double least = 0, most = 0;
      for (index_t i = first; i < first + count && !marginal.each.empty(); ++i)
        if (double const m = as_double(marginal(i)); m > 0) {
          least = least > 0 && least < m ? least : m;
          most = most < m ? m : most;
        }
      return most > 0 ? std::log(most / least) : 0;
    };
    return spread(p.row_marginal, row_first, rows) +
           spread(p.column_marginal, column_first, columns);
  }

  /// The row marginal, scaled to the columns' total mass. P does not see the factor (the last half
  /// step decides), and without it u and v would drift apart by that factor in every iteration.
  T a(index_t i) const { return balance * p.row_marginal(row_first + i); }
  T b_of(index_t j) const { return p.column_marginal(column_first + j); }
  /// u^r(i) and v^r(j), r from 1 on; v^0 = [b > 0]:
  /// a column without mass takes no part from the start.
  T& u(index_t r, index_t i) const {
    return p.history.row_scaling(std::min(r, p.history.row_scaling.rows) - 1, row_first + i);
  }
  T& v(index_t r, index_t j) const {
    return p.history.column_scaling(std::min(r, p.history.row_scaling.rows) - 1, column_first + j);
  }
  T v_before(index_t r, index_t j) const {
    if (r > 1) return v(r - 1, j);
    bool const takes_part = b_of(j) > T(0);
    if (logarithmic) return takes_part ? T(0) : -infinity<T>;
    return T(takes_part ? 1 : 0);
  }
  T kernel(index_t i, index_t j) const {
    using std::exp;
    T const exponent = -cost(i, j) / p.epsilon;
    return logarithmic ? exponent : T(exp(exponent));
  }
  T entry(T const& u, T const& kernel, T const& v) const {
    return p.entry(logarithmic, u, kernel, v);
  }
};

/// Whether problem b, with `largest` = max |C|, runs in the log domain; a fault names what is not
/// allowed in its data.
template <real T>
status choose_domain(sinkhorn<T, host_memory> const& p, index_t b, T const& largest,
                     bool& logarithmic) {
  for (index_t i = p.batch.row_offset(b); i < p.batch.row_offset(b + 1); ++i) {
    if (T const a = p.row_marginal(i); !(a >= T(0) && a < infinity<T>))
      return {fault::data, "sinkhorn.row_marginal", "finite and at least 0", as_double(a), i};
    for (index_t j = 0; !(largest < infinity<T>)&&j < p.batch.column_count(b); ++j)
      if (T const c = p.cost(i, j); !(c > -infinity<T> && c < infinity<T>))
        return {fault::data, "sinkhorn.cost", "finite", as_double(c), i, j};
  }
  for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
    if (T const m = p.column_marginal(j); !(m >= T(0) && m < infinity<T>))
      return {fault::data, "sinkhorn.column_marginal", "finite and at least 0", as_double(m), j};
  double const exponent = as_double(T(largest / p.epsilon));
  sinkhorn_problem<T> const problem{p, b, false};
  bool const safe = exponent + problem.marginal_spread() <= p.safe_exponent();
  if (p.domain == sinkhorn_domain::scaling && !safe)
    return {fault::value, "sinkhorn.domain",
            "not scaling where max |cost| / epsilon exceeds sinkhorn::safe_exponent()", exponent,
            b};
  logarithmic = p.domain == sinkhorn_domain::logarithmic || !safe;
  return {};
}

/// All iterations of one problem; `plan` holds the kernel until the end. Answers <P, C>.
template <real T>
T iterate(sinkhorn_problem<T> const& problem, matrix_view<T, host_memory> plan) {
  index_t const rows = problem.rows, columns = problem.columns;
  index_t const iterations = problem.p.iterations;
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) plan(i, j) = problem.kernel(i, j);
  for (index_t r = 1; r <= iterations; ++r) {
    for (index_t i = 0; i < rows; ++i)
      problem.u(r, i) = scaling_for(
          problem.logarithmic, problem.a(i), columns, [&](index_t j) { return plan(i, j); },
          [&](index_t j) { return problem.v_before(r, j); });
    for (index_t j = 0; j < columns; ++j)
      problem.v(r, j) = scaling_for(
          problem.logarithmic, problem.b_of(j), rows, [&](index_t i) { return plan(i, j); },
          [&](index_t i) { return problem.u(r, i); });
  }
  wide_t<T> distance(0);
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      plan(i, j) = problem.entry(problem.u(iterations, i), plan(i, j), problem.v(iterations, j));
      distance += T(plan(i, j) * problem.cost(i, j));
    }
  return T(distance);
}

template <real T>
status run(scalar, sinkhorn<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    bool logarithmic = false;
    T const largest = largest_magnitude<T>(p.batch.of(p.cost, b));
    if (status const s = choose_domain(p, b, largest, logarithmic); !s.ok()) return s;
    p.history.logarithmic(b) = logarithmic;
    p.distance(b) = iterate(sinkhorn_problem<T>{p, b}, p.batch.of(p.plan, b));
  }
  return {};
}

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
  index_t const iterations = problem.p.iterations;
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

template <real T>
status run(scalar, sinkhorn_gradient<T, host_memory> const& p, workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  sinkhorn_adjoints<T> const all(p.of, space);
  for (index_t b = 0; b < p.of.batch.problems(); ++b)
    differentiate(sinkhorn_problem<T>{p.of, b}, all, p.of.batch.of(p.cost_gradient, b));
  return {};
}
}  // namespace mlot::on
