#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/primitive/sinkhorn.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
/// The costs of one problem, computed where they are asked for.
template <real T, class Ground>
struct computed_cost {
  table_cost<T, host_memory, Ground> const& tables;
  index_t row_first, column_first, rows, cols;
  T operator()(index_t i, index_t j) const {
    wide_t<T> sum(0);
    for (index_t l = 0; l < tables.teacher.cols; ++l)
      sum += tables.ground.value(tables.teacher(row_first + i, l),
                                 tables.student(column_first + j, l));
    return T(sum);
  }
};
template <real T>
auto cost_of(sinkhorn<T, host_memory> const& p, index_t b) {
  return p.batch.of(p.cost, b);
}
template <real T, class Ground>
auto cost_of(sinkhorn<T, host_memory, table_cost<T, host_memory, Ground>> const& p, index_t b) {
  return computed_cost<T, Ground>{p.cost, p.batch.row_offset(b), p.batch.column_offset(b),
                                  p.batch.row_count(b), p.batch.column_count(b)};
}

/// Largest |C|; an entry that is NaN or infinite is larger than all.
template <real T, class Cost>
T largest_magnitude(Cost const& cost) {
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
template <real T, class Cost = matrix_view<T const, host_memory>>
struct sinkhorn_problem {
  sinkhorn<T, host_memory, Cost> const& p;
  index_t b;
  bool logarithmic = p.history.logarithmic(b) != 0;
  index_t rows = p.batch.row_count(b), columns = p.batch.column_count(b);
  index_t row_first = p.batch.row_offset(b), column_first = p.batch.column_offset(b);
  decltype(cost_of(p, b)) cost = cost_of(p, b);
  T warm_origin = largest_warm_start();  ///< subtracted from the warm start
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

  /// ln(largest / smallest) of v^0 where it is not 0.
  double warm_spread() const {
    double spread = 0;
    for (index_t j = 0; j < columns && !p.warm_start.empty(); ++j)
      if (double const start = as_double(log_start(j)); b_of(j) > T(0) && start > -infinity<double>)
        spread = std::max(spread, -start);
    return spread;
  }
  /// -inf where there is none to start from.
  T largest_warm_start() const {
    T largest = -infinity<T>;
    for (index_t j = column_first; j < column_first + columns && !p.warm_start.empty(); ++j)
      if (T const g = p.warm_start(j); g > largest && p.column_marginal(j) > T(0)) largest = g;
    return largest;
  }
  /// log v^0(j), at most 0 for columns with mass.
  T log_start(index_t j) const {
    if (warm_origin == -infinity<T>) return T(0);
    return (p.warm_start(column_first + j) - warm_origin) / p.epsilon;
  }
  index_t done() const { return p.history.done(b, p.iterations); }

  /// The row marginal, scaled to the columns' total mass. P does not see the factor (the last half
  /// step decides), and without it u and v would drift apart by that factor in every iteration.
  T a(index_t i) const { return balance * p.row_marginal(row_first + i); }
  T b_of(index_t j) const { return p.column_marginal(column_first + j); }
  /// u^r(i) and v^r(j), r from 1 on; in v^0 a column without mass takes no part from the start.
  T& u(index_t r, index_t i) const {
    return p.history.row_scaling(std::min(r, p.history.row_scaling.rows) - 1, row_first + i);
  }
  T& v(index_t r, index_t j) const {
    return p.history.column_scaling(std::min(r, p.history.row_scaling.rows) - 1, column_first + j);
  }
  T v_before(index_t r, index_t j) const {
    if (r > 1) return v(r - 1, j);
    using std::exp;
    bool const takes_part = b_of(j) > T(0);
    if (logarithmic) return takes_part ? log_start(j) : -infinity<T>;
    return takes_part ? T(exp(log_start(j))) : T(0);
  }
  T kernel(index_t i, index_t j) const {
    using std::exp;
    T const exponent = -cost(i, j) / p.epsilon;
    return logarithmic ? exponent : T(exp(exponent));
  }
  T entry(T const& u, T const& kernel, T const& v) const {
    return p.entry(logarithmic, u, kernel, v);
  }
  /// epsilon log of a scaling.
  T potential(T const& scaling) const {
    using std::log;
    if (logarithmic) return p.epsilon * scaling;
    return scaling > T(0) ? T(p.epsilon * log(scaling)) : -infinity<T>;
  }
  /// What column j misses of its marginal, or has beyond it, when its half step changes v(j) from
  /// `before` to `after`: its mass was b before / after.
  T column_error(index_t j, T const& before, T const& after) const {
    using std::abs, std::exp;
    T const marginal = b_of(j), nothing = logarithmic ? -infinity<T> : T(0);
    if (marginal == T(0) || after == nothing) return marginal;
    T const mass = logarithmic ? T(exp(T(before - after))) : T(before / after);
    return marginal * T(abs(T(mass - T(1))));
  }
  T column_mass() const {
    wide_t<T> sum(0);
    for (index_t j = 0; j < columns; ++j) sum += b_of(j);
    return T(sum);
  }
  void finish(index_t iterations, bool converged) const {
    if (!p.history.iterations.empty()) p.history.iterations(b) = iterations;
    if (!p.report.converged.empty()) p.report.converged(b) = converged;
  }
};

/// Whether problem b, with `largest` = max |C|, runs in the log domain; a fault names what is not
/// allowed in its data.
template <real T, class Cost>
status choose_domain(sinkhorn<T, host_memory, Cost> const& p, index_t b, T const& largest,
                     bool& logarithmic) {
  auto const cost = cost_of(p, b);
  for (index_t i = p.batch.row_offset(b); i < p.batch.row_offset(b + 1); ++i) {
    if (T const a = p.row_marginal(i); !(a >= T(0) && a < infinity<T>))
      return {fault::data, "sinkhorn.row_marginal", "finite and at least 0", as_double(a), i};
    for (index_t j = 0; !(largest < infinity<T>)&&j < p.batch.column_count(b); ++j)
      if (T const c = cost(i - p.batch.row_offset(b), j); !(c > -infinity<T> && c < infinity<T>))
        return {fault::data, "sinkhorn.cost", "finite", as_double(c), i, j};
  }
  for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
    if (T const m = p.column_marginal(j); !(m >= T(0) && m < infinity<T>))
      return {fault::data, "sinkhorn.column_marginal", "finite and at least 0", as_double(m), j};
  for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
    if (!p.warm_start.empty() && !(p.warm_start(j) < infinity<T>))
      return {fault::data, "sinkhorn.warm_start", "finite or -inf", as_double(p.warm_start(j)), j};
  double const exponent = as_double(T(largest / p.epsilon));
  sinkhorn_problem<T, Cost> const problem{p, b, false};
  bool const safe =
      exponent + problem.marginal_spread() + problem.warm_spread() <= p.safe_exponent();
  if (p.domain == sinkhorn_domain::scaling && !safe)
    return {fault::value, "sinkhorn.domain",
            "not scaling where max |cost| / epsilon exceeds sinkhorn::safe_exponent()", exponent,
            b};
  logarithmic = p.domain == sinkhorn_domain::logarithmic || !safe;
  return {};
}

/// Writes what is asked for about the result, given the sums of the plan's rows and columns.
template <real T, class Cost, class RowSum, class ColumnSum>
void write_report(sinkhorn_problem<T, Cost> const& problem, RowSum row_sum, ColumnSum column_sum) {
  using std::abs, std::log;
  sinkhorn_report<T, host_memory> const& to = problem.p.report;
  if (!to.asks_for_sums()) return;
  wide_t<T> regularised(0), dual(0), mass(0);
  struct side {
    wide_t<T> error{0}, marginal{0};
  };
  auto const add = [&](T const& marginal, T const& sum, T const& scaling, side& all) {
    T const potential = problem.potential(scaling);
    all.error += T(abs(T(sum - marginal)));
    all.marginal += marginal;
    if (marginal > T(0) && potential > -infinity<T>) {
      T const relative = potential - T(problem.p.epsilon * log(marginal));
      regularised += T(sum * relative);
      dual += T(marginal * relative);
    }
    return potential;
  };
  index_t const r = problem.done();
  side rows, columns;
  for (index_t i = 0; i < problem.rows; ++i) {
    T const sum = row_sum(i), f = add(problem.a(i), sum, problem.u(r, i), rows);
    if (!to.row_potential.empty()) to.row_potential(problem.row_first + i) = f;
    mass += sum;
  }
  for (index_t j = 0; j < problem.columns; ++j) {
    T const g = add(problem.b_of(j), column_sum(j), problem.v(r, j), columns);
    if (!to.column_potential.empty()) to.column_potential(problem.column_first + j) = g;
  }
  wide_t<T> const surplus = mass - rows.marginal * columns.marginal;
  auto const write = [&](vector_view<T, host_memory> where, wide_t<T> const& x) {
    if (!where.empty()) where(problem.b) = T(x);
  };
  auto const share = [&](wide_t<T> const& error) {  // without mass on one side none is missed
    return columns.marginal > wide_t<T>(0) ? wide_t<T>(error / columns.marginal) : wide_t<T>(0);
  };
  write(to.row_error, share(rows.error));
  write(to.column_error, share(columns.error));
  write(to.regularised, regularised - wide_t<T>(problem.p.epsilon) * surplus);
  write(to.dual, dual - wide_t<T>(problem.p.epsilon) * surplus);
}

/// All iterations of one problem. A given `plan` holds the kernel until the end; where there is
/// none, the kernel is computed anew every time. Answers <P, C>.
template <real T, class Cost>
T iterate(sinkhorn_problem<T, Cost> const& problem, matrix_view<T, host_memory> plan) {
  index_t const rows = problem.rows, columns = problem.columns;
  T const enough = problem.p.tolerance * problem.column_mass();
  bool const kept = plan.data != nullptr;
  for (index_t i = 0; i < rows && kept; ++i)
    for (index_t j = 0; j < columns; ++j) plan(i, j) = problem.kernel(i, j);
  auto const kernel = [&](index_t i, index_t j) {
    return kept ? plan(i, j) : problem.kernel(i, j);
  };
  index_t r = 0;
  bool converged = false;
  while (r < problem.p.iterations && !converged) {
    ++r;
    for (index_t i = 0; i < rows; ++i)
      problem.u(r, i) = scaling_for(
          problem.logarithmic, problem.a(i), columns, [&](index_t j) { return kernel(i, j); },
          [&](index_t j) { return problem.v_before(r, j); });
    wide_t<T> error(0);
    for (index_t j = 0; j < columns; ++j) {
      T const before = problem.v_before(r, j);
      T const after = scaling_for(
          problem.logarithmic, problem.b_of(j), rows, [&](index_t i) { return kernel(i, j); },
          [&](index_t i) { return problem.u(r, i); });
      problem.v(r, j) = after;
      error += problem.column_error(j, before, after);
    }
    converged = problem.p.tolerance > T(0) && T(error) <= enough;
  }
  problem.finish(r, converged);
  auto const mass = [&](index_t i, index_t j) {
    return problem.entry(problem.u(r, i), kernel(i, j), problem.v(r, j));
  };
  write_report(
      problem,
      [&](index_t i) {
        wide_t<T> sum(0);
        for (index_t j = 0; j < columns; ++j) sum += mass(i, j);
        return T(sum);
      },
      [&](index_t j) {
        wide_t<T> sum(0);
        for (index_t i = 0; i < rows; ++i) sum += mass(i, j);
        return T(sum);
      });
  wide_t<T> distance(0);
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      T const moved = mass(i, j);
      if (kept) plan(i, j) = moved;
      distance += T(moved * problem.cost(i, j));
    }
  return T(distance);
}

template <real T, class Cost>
status run(scalar, sinkhorn<T, host_memory, Cost> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    bool logarithmic = false;
    T const largest = largest_magnitude<T>(cost_of(p, b));
    if (status const s = choose_domain(p, b, largest, logarithmic); !s.ok()) return s;
    p.history.logarithmic(b) = logarithmic;
    p.distance(b) = iterate(sinkhorn_problem<T, Cost>{p, b}, p.batch.of(p.plan, b));
  }
  return {};
}
}  // namespace mlot::on
