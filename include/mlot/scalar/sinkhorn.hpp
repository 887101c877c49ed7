#pragma once
#include <cmath>

#include "mlot/core/function_ref.hpp"
#include "mlot/scalar/sinkhorn_problem.hpp"
namespace mlot::MLOT_SET::scalar {
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

/// The same in the absorbed domain, from the logarithm that it was: the scalings so far are part of
/// the kernel's exponents, and what is left to scale is moderate. Answers the new logarithm.
template <real T, class Kernel, class Scaling>
T absorbed_scaling_for(T const& before, T const& marginal, index_t size, Kernel kernel,
                       Scaling other) {
  using std::exp, std::log;
  wide_t<T> sum(0);
  for (index_t k = 0; k < size; ++k) sum += T(exp(T(before + kernel(k) + other(k))));
  bool const has_mass = marginal > T(0) && sum > wide_t<T>(0);
  return has_mass ? T(before + T(log(T(marginal / T(sum))))) : -infinity<T>;
}

/// Writes what is asked for about the result, given the sums of the plan's rows and columns.
template <real T, class Cost>
MLOT_COMPILED_ONCE [[gnu::cold]] void write_report(
    sinkhorn_problem<T, Cost> const& problem,
    std::type_identity_t<function_ref<T(index_t)>> row_sum,
    std::type_identity_t<function_ref<T(index_t)>> column_sum) {
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
      T const relative = potential - T(problem.epsilon * log(marginal));
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
  write(to.regularised, regularised - wide_t<T>(problem.epsilon) * surplus);
  write(to.dual, dual - wide_t<T>(problem.epsilon) * surplus);
}

/// All iterations of one problem. A given `plan` holds the kernel until the end; where there is
/// none, the kernel is computed anew every time. Answers <P, C>.
template <real T, class Cost>
[[gnu::noinline]] T iterate(sinkhorn_problem<T, Cost> const& problem,
                            matrix_view<T, host_memory> plan) {
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
    auto const half_step = [&](T const& before, T const& marginal, index_t size, auto line,
                               auto other) {
      return problem.absorbs && r > 1  // here in every half step, elsewhere when they have grown
                 ? absorbed_scaling_for(before, marginal, size, line, other)
                 : scaling_for(problem.logarithmic, marginal, size, line, other);
    };
    for (index_t i = 0; i < rows; ++i)
      problem.u(r, i) = half_step(
          r > 1 ? problem.u(r - 1, i) : T(0), problem.a(i), columns,
          [&](index_t j) { return kernel(i, j); },
          [&](index_t j) { return problem.v_before(r, j); });
    wide_t<T> error(0);
    for (index_t j = 0; j < columns; ++j) {
      T const before = problem.v_before(r, j);
      T const after = half_step(
          before, problem.b_of(j), rows, [&](index_t i) { return kernel(i, j); },
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
      T const entry = mass(i, j);
      if (kept) plan(i, j) = entry;
      distance += moved_cost(entry, T(problem.cost(i, j)));
    }
  return T(distance);
}

template <real T>
[[gnu::noinline]] status iterate_all(any_sinkhorn<T> const& p) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    any_problem<T> problem{p, b, false};
    if (status const s = choose_domain(problem, largest_magnitude<T>(problem.cost)); !s.ok())
      return s;
    p.distance(b) = iterate(problem, p.batch.of(p.plan, b));
  }
  return {};
}
template <real T, class Cost>
status run(device, sinkhorn<T, host_memory, Cost> const& p, workspace<host_memory>) {
  return iterate_all(with_cost(p, any_cost_of(p)));
}
}  // namespace mlot::MLOT_SET::scalar
