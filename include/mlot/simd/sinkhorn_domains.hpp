#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/simd/device.hpp"
#include "mlot/simd/logarithm.hpp"
#include "mlot/simd/sinkhorn_lanes.hpp"
/// One sweep over the matrix does a whole iteration, in every domain: a row's new scaling weighs
/// that row into the column sums while it is in cache. In the log domain the exponentials that
/// normalise a row, weighed by its new scaling, are what its columns have to sum: one exponential
/// an entry, not two. A domain is a number, asked once a row or once a batch of columns.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_problem;

/// The iterations of one problem. The scaling domain: `plan` holds the kernel until the end,
/// unless rows of C, and so of the kernel, are computed anew. The log domain: u and v are
/// logarithms, `plan` is written at the end. The absorbed domain: u = exp(centre) o row, v =
/// exp(centre) o column, where row and column are moderate factors and the centre is part of the
/// kernel, exp(log u^q + log v^q - C / epsilon). The first iteration is one in the log domain;
/// after it every factor of a further iteration lies within the marginals' range, no sum
/// underflows, and what underflows in the kernel is below rounding. Where factors have grown, all
/// threads take the scalings so far for a new centre.
template <class Batch>
struct domain_iterations {
  using T = typename Batch::value_type;
  cost_source<Batch> const& source;
  matrix_view<T, host_memory> plan;     ///< without memory where nobody wants it
  absorption_scratch<T> const& centre;  ///< of all problems
  row_blocks<Batch> const& blocks = source.blocks;
  any_problem<T> const& problem = source.problem;
  bool const computed = source.computed, logarithmic = problem.logarithmic;
  T const no_mass = logarithmic ? -infinity<T> : T(0);  ///< as u or v
  T const* row_centre = &centre.row(0, problem.row_first);
  T const* column_centre = &centre.column(0, problem.column_first);
  T* row = &centre.row(1, problem.row_first);
  T* column = &centre.column(1, problem.column_first);
  bool centred = false, moves = false;  ///< whether there is a centre, and a new one
  /// What underflows adds less than this to a column, in units of its last place: a column that
  /// receives no more than this is summed again, relative to its own largest term.
  T least_sum = T(16) * T(double(problem.rows)) * (T(1) + largest_row_marginal()) *
                (std::numeric_limits<T>::min)() / std::numeric_limits<T>::epsilon();

  T largest_row_marginal() const {
    T most(0);
    for (index_t i = 0; i < problem.rows && logarithmic; ++i) most = (std::max)(most, problem.a(i));
    return most;
  }
  void begin(index_t r) {
    if (r == 1 || !problem.absorbs) return;
    centred = true;
    moves = r == 2 || have_grown();
    blocks.threads.wait();  // all have seen the old factors
    if (!moves) return;
    if (blocks.threads.rank == 0) {
      for (index_t i = 0; i < problem.rows; ++i)
        centre.row(0, problem.row_first + i) = problem.u(r - 1, i);
      for (index_t j = 0; j < problem.columns; ++j) {
        centre.column(0, problem.column_first + j) = problem.v(r - 1, j);
        column[j] = problem.v(r - 1, j) > no_mass ? T(1) : T(0);
      }
    }
    blocks.threads.wait();
  }
  /// Sweeps block k with v^(r-1).
  void sweep_block(index_t r, index_t k, T const* v) const {
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    if (logarithmic && !centred) return sweep_logarithms(r, k, v);
    bool const writes = centred ? moves : r == 1;
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), centred ? column : v, blocks.sums(k),
        [&](index_t i, index_t count) -> strided_rows<T> {
          if (computed) return computed_kernel(k, i);
          for (index_t n = i; n < i + count && writes; ++n)
            write_kernel_row(source.rows(k, n), n, &plan(n, 0));
          return {&plan(i, 0), plan.row_stride};
        },
        [&, u = &problem.u(r, 0)](index_t i, index_t count, T* x) {
          for (index_t n = 0; n < count; ++n) x[n] = share_of(problem.a(i + n), x[n]);
          if (!centred)
            for (index_t n = 0; n < count; ++n) u[i + n] = x[n];
          else
            take_factors(i, count, x, u);
        });
  }
  /// The columns' new scaling.
  Batch column_scaling(index_t r, index_t j, auto which, Batch const& before,
                       Batch const& sum) const {
    Batch const marginal = column_marginal<Batch>(problem, j, which), nothing(no_mass);
    if (logarithmic && !centred) {
      auto const has_mass = marginal > Batch(T(0));
      Batch log_sum = any_logarithm(sum) - before;
      auto const faint = (sum < Batch(least_sum)) & has_mass;
      if (xsimd::any(faint)) log_sum = xsimd::select(faint, column_log_sum(r, j, which), log_sum);
      Batch const scaling = any_logarithm(marginal) - log_sum;
      return xsimd::select(has_mass & (log_sum > nothing), scaling, nothing);
    }
    Batch const factor = share_in_lanes(marginal, sum);
    if (!centred) return factor;
    store_lanes(column + j, factor, which);
    return xsimd::select(factor > Batch(T(0)),
                         Batch(load_lanes<Batch>(column_centre + j, which) + any_logarithm(factor)),
                         nothing);
  }
  /// The mass of columns before their half step; asked for before their factors change.
  Batch received(index_t j, auto which, Batch const& before, Batch const& sum) const {
    if (logarithmic && !centred) return sum;
    return product(centred ? load_lanes<Batch>(column + j, which) : before, sum);
  }
  /// Row i of the plan.
  [[gnu::noinline, gnu::flatten]] void write_masses(cost_rows<Batch> costs, index_t i, T u,
                                                    T const* v, T* out) const {
    if (logarithmic && !centred)
      return for_lanes<Batch>(problem.columns, [=](index_t j, auto which) {
        Batch const log_v = load_lanes<Batch>(v + j, which, -infinity<T>);
        store_lanes(out + j, exponential(Batch(costs.exponent(i, j, which, Batch(u)) + log_v)),
                    which);
      });
    T const* kernel = out;
    if (computed)
      write_kernel_row(costs, i, out);
    else
      kernel = &plan(i, 0);
    T const *const factors = centred ? column : v, factor = centred ? row[i] : u;
    for_lanes<Batch>(problem.columns, [=](index_t j, auto which) {
      Batch const scaled = Batch(factor) * load_lanes<Batch>(kernel + j, which);
      store_lanes(out + j, Batch(scaled * load_lanes<Batch>(factors + j, which)), which);
    });
  }

 private:
  [[gnu::noinline]] void take_factors(index_t i, index_t count, T const* x, T* u) const {
    for (index_t n = i; n < i + count; ++n) {
      row[n] = x[n - i];
      u[n] = row[n] > T(0) ? T(row_centre[n] + std::log(row[n])) : no_mass;
    }
  }
  [[gnu::noinline, gnu::flatten]] void sweep_logarithms(index_t r, index_t k, T const* v) const {
    T *const out = blocks.sums(k), *const row_of_block = blocks.row(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      T const a = problem.a(i);
      Batch most(-infinity<T>);
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = costs.exponent(i, j, which, load_lanes<Batch>(v + j, which, -infinity<T>));
        store_lanes(row_of_block + j, x, which);
        most = (xsimd::max)(most, x);
      });
      T const top = lane_max(most);
      problem.u(r, i) = -infinity<T>;
      if (top == -infinity<T> || a == T(0)) continue;
      Batch const tops(top);
      Batch sums(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = load_lanes<Batch>(row_of_block + j, which, -infinity<T>);
        Batch const e = exponential(Batch(x - tops));
        store_lanes(row_of_block + j, e, which);
        sums += e;
      });
      T const sum = lane_sum(sums);
      problem.u(r, i) = T(std::log(a) - top - std::log(sum));
      Batch const weight(T(a / sum));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const e = load_lanes<Batch>(row_of_block + j, which);
        store_lanes(out + j, Batch(multiply_add(weight, e, load_lanes<Batch>(out + j, which))),
                    which);
      });
    }
  }
  /// Log-sum-exp over the rows, from each column's own largest term.
  [[gnu::noinline, gnu::cold]] Batch column_log_sum(index_t r, index_t j, auto which) const {
    auto const exponent = [&](index_t i) {
      return multiply_add(source.cost(i, j, which), Batch(source.rate), Batch(problem.u(r, i)));
    };
    Batch top(-infinity<T>), sum(T(0));
    for (index_t i = 0; i < problem.rows; ++i) top = (xsimd::max)(top, exponent(i));
    Batch const origin = xsimd::select(top > Batch(-infinity<T>), top, Batch(T(0)));
    for (index_t i = 0; i < problem.rows; ++i) sum += exponential(Batch(exponent(i) - origin));
    return origin + any_logarithm(sum);
  }
  /// Row i of the kernel of the factors.
  [[gnu::noinline, gnu::flatten]] void write_kernel_row(cost_rows<Batch> costs, index_t i,
                                                        T* out) const {
    if (!centred) return write_gibbs_row(costs, i, 0, problem.columns, out);
    Batch const centre_u(row_centre[i]);
    for_lanes<Batch>(problem.columns, [=, this](index_t j, auto which) {
      Batch const centre_v = load_lanes<Batch>(column_centre + j, which, -infinity<T>);
      store_lanes(out + j, exponential(Batch(costs.exponent(i, j, which, centre_u) + centre_v)),
                  which);
    });
  }
  /// Row i of block k and the rest of its group, in the memory of the costs.
  strided_rows<T> computed_kernel(index_t k, index_t i) const {
    auto const some = source.rows(k, i);
    if (some.first_row == i)
      for (index_t n = i; n < source.group_end(k, i); ++n)
        write_kernel_row(some, n, source.memory(k) + (n - i) * some.stride);
    return some.from(i);
  }
  bool have_grown() const {
    T const most = T(problem.p.most_absorbed()), least = T(1) / most;
    auto const grown = [=](T const& factor) {
      return factor > most || (factor < least && factor > T(0));
    };
    return std::any_of(row, row + problem.rows, grown) ||
           std::any_of(column, column + problem.columns, grown);
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
