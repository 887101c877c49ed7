#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/simd/device.hpp"
#include "mlot/simd/sinkhorn_lanes.hpp"
/// One sweep over the matrix does a whole iteration, in either domain: a row's new scaling weighs
/// that row into the column sums while it is in cache. In the log domain the exponentials that
/// normalise a row, weighed by its new scaling, are what its columns have to sum: one exponential
/// an entry, not two.
namespace mlot::on {
/// The iterations of one problem in the scaling domain. `plan` holds the kernel until the end,
/// unless rows of C, and so of the kernel, are computed anew.
template <class Batch, class Cost>
struct scaling_iterations {
  using T = typename Batch::value_type;
  static constexpr T no_mass = 0;  ///< as u or v
  static constexpr bool computed = cost_source<Batch, Cost>::computed;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> plan;
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;

  void sweep_block(index_t r, index_t k, T const* v) const {
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), v, blocks.sums(k),
        [&](index_t i, index_t count) -> strided_rows<T> {
          if constexpr (computed) {
            return source.kernel_rows(k, i).from(i);
          } else {
            for (index_t n = i; n < i + count && r == 1; ++n)
              write_kernel_row(source, k, n, &plan(n, 0));
            return {&plan(i, 0), plan.row_stride};
          }
        },
        [&](index_t i, T dot) { return problem.u(r, i) = share_of(problem.a(i), dot); });
  }
  Batch column_scaling(index_t, index_t j, auto which, Batch const&, Batch const& sum) const {
    return share_in_lanes(column_marginal<Batch>(problem, j, which), sum);
  }
  /// v before its half step over v after it.
  static Batch change(Batch const& before, Batch const& after) {
    return share_in_lanes(before, after);
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    Batch kernel;
    if constexpr (computed)
      kernel = costs.kernel(i, j, which);
    else
      kernel = load_lanes<Batch>(&plan(i, j), which);
    return Batch(u) * kernel * v;
  }
};

/// The same in the log domain: u and v are logarithms, `plan` is written at the end.
template <class Batch, class Cost>
struct logarithmic_iterations {
  using T = typename Batch::value_type;
  static constexpr T no_mass = -infinity<T>;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> plan;
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;
  /// What underflows adds less than this to a column, in units of its last place: a column that
  /// receives no more than this is summed again, relative to its own largest term.
  T least_sum = T(16) * T(double(problem.rows)) * (T(1) + largest_row_marginal()) *
                std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

  T largest_row_marginal() const {
    T most(0);
    for (index_t i = 0; i < problem.rows; ++i) most = std::max(most, problem.a(i));
    return most;
  }
  void sweep_block(index_t r, index_t k, T const* v) const {
    T *const out = blocks.sums(k), *const row = blocks.row(k);
    std::fill_n(out, problem.columns, T(0));
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      T const a = problem.a(i);
      Batch most(-infinity<T>);
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = costs.exponent(i, j, which, load_lanes<Batch>(v + j, which, -infinity<T>));
        store_lanes(row + j, x, which);
        most = xsimd::max(most, x);
      });
      T const top = lane_max(most);
      problem.u(r, i) = -infinity<T>;
      if (top == -infinity<T> || a == T(0)) continue;
      Batch const tops(top);
      Batch sums(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = load_lanes<Batch>(row + j, which, -infinity<T>);
        Batch const e = exponential(Batch(x - tops));
        store_lanes(row + j, e, which);
        sums += e;
      });
      T const sum = lane_sum(sums);
      problem.u(r, i) = T(std::log(a) - top - std::log(sum));
      Batch const weight(T(a / sum));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const e = load_lanes<Batch>(row + j, which);
        store_lanes(out + j, Batch(multiply_add(weight, e, load_lanes<Batch>(out + j, which))),
                    which);
      });
    }
  }
  /// Log-sum-exp over the rows, from each column's own largest term.
  Batch column_log_sum(index_t r, index_t j, auto which) const {
    auto const exponent = [&](index_t i) {
      return multiply_add(source.cost(i, j, which), source.rate, Batch(problem.u(r, i)));
    };
    Batch top(-infinity<T>), sum(T(0));
    for (index_t i = 0; i < problem.rows; ++i) top = xsimd::max(top, exponent(i));
    Batch const origin = xsimd::select(top > Batch(-infinity<T>), top, Batch(T(0)));
    for (index_t i = 0; i < problem.rows; ++i) sum += exponential(Batch(exponent(i) - origin));
    return origin + xsimd::log(sum);
  }
  Batch column_scaling(index_t r, index_t j, auto which, Batch const& before,
                       Batch const& sum) const {
    Batch const marginal = column_marginal<Batch>(problem, j, which), nothing(-infinity<T>);
    auto const has_mass = marginal > Batch(T(0));
    Batch log_sum = xsimd::log(sum) - before;
    auto const small = (sum < Batch(least_sum)) & has_mass;
    if (xsimd::any(small)) log_sum = xsimd::select(small, column_log_sum(r, j, which), log_sum);
    Batch const scaling = xsimd::log(marginal) - log_sum;
    return xsimd::select(has_mass & (log_sum > nothing), scaling, nothing);
  }
  static Batch change(Batch const& before, Batch const& after) {
    auto const has_mass = after > Batch(-infinity<T>);
    Batch const exponent = xsimd::min(Batch(before - after), Batch(T(80)));
    return xsimd::select(has_mass, exponential(exponent), Batch(T(0)));
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    return exponential(Batch(costs.exponent(i, j, which, Batch(u)) + v));
  }
};
}  // namespace mlot::on
