#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/simd/device.hpp"
#include "mlot/simd/sinkhorn_lanes.hpp"
/// One sweep over the matrix does a whole iteration, in every domain: a row's new scaling weighs
/// that row into the column sums while it is in cache. In the log domain the exponentials that
/// normalise a row, weighed by its new scaling, are what its columns have to sum: one exponential
/// an entry, not two.
namespace mlot::on {
/// What the iterations of one problem work on, in any domain. A domain begins iteration r, sweeps
/// blocks of rows with v^(r-1), and makes of each column's sum its new scaling.
template <class Batch, class Cost>
struct domain_iterations {
  using T = typename Batch::value_type;
  static constexpr bool computed = cost_source<Batch, Cost>::computed;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> plan;     ///< without memory where nobody wants it
  absorption_scratch<T> const& centre;  ///< of all problems
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;

  void begin(index_t) const {}
};

/// The scaling domain. `plan` holds the kernel until the end, unless rows of C, and so of the
/// kernel, are computed anew.
template <class Batch, class Cost>
struct scaling_iterations : domain_iterations<Batch, Cost> {
  using base = domain_iterations<Batch, Cost>;
  using base::source, base::plan, base::blocks, base::problem, base::computed;
  using typename base::T;
  static constexpr T no_mass = 0;  ///< as u or v

  void sweep_block(index_t r, index_t k, T const* v) const {
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), v, blocks.sums(k),
        [&](index_t i, index_t count) -> strided_rows<T> {
          if constexpr (computed) {
            return source.kernel_rows(k, i, gibbs_entry).from(i);
          } else {
            for (index_t n = i; n < i + count && r == 1; ++n)
              write_kernel_row(source, k, n, &plan(n, 0), gibbs_entry);
            return {&plan(i, 0), plan.row_stride};
          }
        },
        [&](index_t i, T dot) { return problem.u(r, i) = share_of(problem.a(i), dot); });
  }
  Batch column_scaling(index_t, index_t j, auto which, Batch const&, Batch const& sum) const {
    return share_in_lanes(column_marginal<Batch>(problem, j, which), sum);
  }
  /// The mass of columns before their half step.
  Batch received(index_t, auto, Batch const& before, Batch const& sum) const {
    return before * sum;
  }
  static Batch moved(Batch const& mass, Batch const& cost) { return mass * cost; }
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

/// The log domain: u and v are logarithms, `plan` is written at the end.
template <class Batch, class Cost>
struct logarithmic_iterations : domain_iterations<Batch, Cost> {
  using base = domain_iterations<Batch, Cost>;
  using base::source, base::plan, base::blocks, base::problem;
  using typename base::T;
  static constexpr T no_mass = -infinity<T>;
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
  static Batch received(index_t, auto, Batch const&, Batch const& sum) { return sum; }
  static Batch moved(Batch const& mass, Batch const& cost) {
    return where_mass(mass, Batch(mass * cost));
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    return exponential(Batch(costs.exponent(i, j, which, Batch(u)) + v));
  }
};

/// The absorbed domain: u = exp(centre) o row, v = exp(centre) o column, where row and column are
/// moderate factors and the centre is part of the kernel, exp(log u^q + log v^q - C / epsilon). The
/// first iteration is one in the log domain; after it every factor of a further iteration lies
/// within the marginals' range, no sum underflows, and what underflows in the kernel is below
/// rounding. Where factors have grown, all threads take the scalings so far for a new centre.
template <class Batch, class Cost>
struct absorbed_iterations : domain_iterations<Batch, Cost> {
  using base = domain_iterations<Batch, Cost>;
  using base::source, base::plan, base::centre, base::blocks, base::problem, base::computed;
  using typename base::T;
  static constexpr T no_mass = -infinity<T>;
  logarithmic_iterations<Batch, Cost> first{{source, plan, centre}};
  T const* row_centre = &centre.row(0, problem.row_first);
  T const* column_centre = &centre.column(0, problem.column_first);
  T* row = &centre.row(1, problem.row_first);
  T* column = &centre.column(1, problem.column_first);
  bool centred = false, moves = false;  ///< whether there is a centre, and a new one

  void begin(index_t r) {
    if (r == 1) return;
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
  void sweep_block(index_t r, index_t k, T const* v) const {
    if (!centred) return first.sweep_block(r, k, v);
    auto const entry = [centre_u = row_centre, centre_v = column_centre](
                           auto const& costs, index_t i, index_t j, auto which) {
      return kernel(costs, i, j, which, centre_u, centre_v);
    };
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), column, blocks.sums(k),
        [&](index_t i, index_t count) -> strided_rows<T> {
          if constexpr (computed) {
            return source.kernel_rows(k, i, entry).from(i);
          } else {
            for (index_t n = i; n < i + count && moves; ++n)
              write_kernel_row(source, k, n, &plan(n, 0), entry);
            return {&plan(i, 0), plan.row_stride};
          }
        },
        [&](index_t i, T dot) {
          row[i] = share_of(problem.a(i), dot);
          problem.u(r, i) = row[i] > T(0) ? T(row_centre[i] + std::log(row[i])) : no_mass;
          return row[i];
        });
  }
  Batch column_scaling(index_t r, index_t j, auto which, Batch const& before,
                       Batch const& sum) const {
    if (!centred) return first.column_scaling(r, j, which, before, sum);
    Batch const factor = share_in_lanes(column_marginal<Batch>(problem, j, which), sum);
    store_lanes(column + j, factor, which);
    return xsimd::select(factor > Batch(T(0)),
                         Batch(load_lanes<Batch>(column_centre + j, which) + xsimd::log(factor)),
                         Batch(no_mass));
  }
  /// Asked for before the columns' factors change.
  Batch received(index_t j, auto which, Batch const&, Batch const& sum) const {
    return centred ? Batch(load_lanes<Batch>(column + j, which) * sum) : sum;
  }
  static Batch moved(Batch const& mass, Batch const& cost) {
    return where_mass(mass, Batch(mass * cost));
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    if (!centred) return first.mass(costs, i, j, which, u, v);
    Batch entry;
    if constexpr (computed)
      entry = kernel(costs, i, j, which, row_centre, column_centre);
    else
      entry = load_lanes<Batch>(&plan(i, j), which);
    return Batch(row[i]) * entry * load_lanes<Batch>(column + j, which);
  }

 private:
  static Batch kernel(cost_rows<Batch> const& costs, index_t i, index_t j, auto which,
                      T const* centre_u, T const* centre_v) {
    return exponential(Batch(costs.exponent(i, j, which, Batch(centre_u[i])) +
                             load_lanes<Batch>(centre_v + j, which, no_mass)));
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
}  // namespace mlot::on
