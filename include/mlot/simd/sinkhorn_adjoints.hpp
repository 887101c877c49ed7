#pragma once
#include "mlot/simd/sinkhorn_lanes.hpp"
/// What a step back through an iteration is, in either domain.
namespace mlot::on {
/// x^r and y^r of all problems, from N down to 1, and the first adjoint of log u.
template <class T>
struct adjoint_scratch {
  matrix_view<T, host_memory> x, y;   ///< (N, column tokens), (N, row tokens)
  vector_view<T, host_memory> alpha;  ///< (row tokens)
  template <class Cost>
  adjoint_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : x(space.matrix<T>(p.iterations, p.batch.columns)),
        y(space.matrix<T>(p.iterations, p.batch.rows)),
        alpha(space.vector<T>(p.batch.rows)) {}
};

template <class Batch, class Cost>
struct adjoints {
  using T = typename Batch::value_type;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> gradient;  ///< in the scaling domain holds K until the last pass
  adjoint_scratch<T> const& all;
  matrix_view<T, host_memory> masses;  ///< (blocks of the batch, longest_row), of columns
  T const* initial;                    ///< v^0
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;
  index_t iterations = problem.done();

  T* x(index_t r) const { return &all.x(r - 1, problem.column_first); }
  T& y(index_t r, index_t i) const { return all.y(r - 1, problem.row_first + i); }
  T& alpha(index_t i) const { return all.alpha(problem.row_first + i); }
  T const* v(index_t r) const { return r > 0 ? &problem.v(r, 0) : initial; }
};

/// In the scaling domain X^r = v^r o x^r and Y^r = u^r o y^r are kept, with which K alone is
/// needed. P is a product of numbers that the iterations worked with: its lines hold the marginals
/// to a few roundings, and these stand for their masses.
template <class Batch, class Cost>
struct scaling_adjoints : adjoints<Batch, Cost> {
  using base = adjoints<Batch, Cost>;
  using base::source, base::blocks, base::gradient, base::problem, base::iterations;
  using base::x, base::y, base::v, base::alpha;
  using typename base::T;

  static constexpr bool computed = cost_source<Batch, Cost>::computed;

  /// x^r(j) and y^r(i) without their scalings.
  T own_x(index_t r, index_t j) const { return share_of(x(r)[j], v(r)[j]); }
  T own_y(index_t r, index_t i) const { return share_of(y(r, i), problem.u(r, i)); }
  /// Before row i is used for the first time.
  void begin_row(index_t k, index_t i) const {
    if constexpr (!computed) write_kernel_row(source, k, i, &gradient(i, 0), gibbs_entry);
  }
  void clear_mass(index_t) const {}
  void add_mass(index_t, index_t, auto, Batch const&) const {}
  Batch kernel(cost_rows<Batch> const& costs, index_t i, index_t j, auto which) const {
    if constexpr (computed)
      return costs.kernel(i, j, which);
    else
      return load_lanes<Batch>(&gradient(i, j), which);
  }
  /// P(N, N).
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which) const {
    return Batch(problem.u(iterations, i)) * kernel(costs, i, j, which) *
           load_lanes<Batch>(v(iterations) + j, which);
  }
  Batch column_adjoint(index_t r, index_t j, auto which, Batch const& beta) const {
    return load_lanes<Batch>(v(r) + j, which) *
           share_in_lanes(beta, column_marginal<Batch>(problem, j, which));
  }
  Batch beta(index_t r, index_t j, auto which, Batch const& sum) const {
    return -(load_lanes<Batch>(v(r - 1) + j, which) * sum);
  }
  T row_adjoint(index_t r, index_t i, T dot) const {
    T const u = problem.u(r, i), own = r == iterations ? alpha(i) : T(0);
    return y(r, i) = u * share_of(T(own - u * dot), problem.a(i));
  }
  void sweep_block(index_t r, index_t k) const {
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), x(r), blocks.sums(k),
        [&](index_t i, index_t) -> strided_rows<T> {
          if constexpr (computed)
            return source.kernel_rows(k, i, gibbs_entry).from(i);
          else
            return {&gradient(i, 0), gradient.row_stride};
        },
        [&](index_t i, T dot) { return row_adjoint(r, i, dot); });
  }
  /// y^1 of some rows of a kernel that exists.
  template <index_t Rows>
  void last_row_adjoints(index_t, index_t i) const {
    Batch dot[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const x1 = load_lanes<Batch>(x(1) + j, which);
      for (index_t n = 0; n < Rows; ++n)
        dot[n] = multiply_add(load_lanes<Batch>(&gradient(i + n, j), which), x1, dot[n]);
    });
    for (index_t n = 0; n < Rows; ++n) row_adjoint(1, i + n, lane_sum(dot[n]));
  }
  /// dSD/dC of rows i .. at some columns:  K o { u^N (v^N)^T o (1 - C / epsilon)
  /// + (1 / epsilon) sum_r [ u^r (X^r)^T + Y^r (v^(r-1))^T ] }
  template <index_t Rows>
  void entries(cost_rows<Batch> const& costs, index_t i, index_t j, auto which,
               Batch (&out)[Rows]) const {
    Batch const one(T(1)), rate = -source.rate;
    Batch sum[Rows];
    for (auto& s : sum) s = Batch(T(0));
    for (index_t r = 1; r <= iterations; ++r) {
      Batch const xr = load_lanes<Batch>(x(r) + j, which);
      Batch const vr = load_lanes<Batch>(v(r - 1) + j, which);
      for (index_t n = 0; n < Rows; ++n)
        sum[n] = multiply_add(Batch(problem.u(r, i + n)), xr,
                              Batch(multiply_add(Batch(y(r, i + n)), vr, sum[n])));
    }
    Batch const last = load_lanes<Batch>(v(iterations) + j, which);
    for (index_t n = 0; n < Rows; ++n) {
      Batch const u(problem.u(iterations, i + n)), c = costs.cost(i + n, j, which);
      Batch const direct = u * last * (one - c * rate);
      out[n] = kernel(costs, i + n, j, which) * multiply_add(sum[n], rate, direct);
    }
  }
};

/// In the log domain x^r and y^r themselves are kept, and every P(q, r) is made from its exponents,
/// whose rounding moves the entries by C / epsilon times as much. What is divided by are the masses
/// that these entries have, not the marginals: docs/numerics.md, "Through the iterations".
template <class Batch, class Cost>
struct logarithmic_adjoints : adjoints<Batch, Cost> {
  using base = adjoints<Batch, Cost>;
  using base::source, base::blocks, base::gradient, base::problem, base::iterations;
  using base::x, base::y, base::v, base::alpha;
  using typename base::T;

  T own_x(index_t r, index_t j) const { return x(r)[j]; }
  T own_y(index_t r, index_t i) const { return y(r, i); }
  void begin_row(index_t, index_t) const {}
  /// Block k's part of the columns' masses in the P(r, r) that x^r is made of next.
  T* column_mass(index_t k) const { return &base::masses(blocks.first + k, 0); }
  void clear_mass(index_t k) const { std::fill_n(column_mass(k), problem.columns, T(0)); }
  void add_mass(index_t k, index_t j, auto which, Batch const& mass) const {
    T* const to = column_mass(k) + j;
    store_lanes(to, Batch(load_lanes<Batch>(to, which) + mass), which);
  }
  /// P(q, r).
  Batch plan(cost_rows<Batch> const& costs, index_t q, index_t r, index_t i, index_t j,
             auto which) const {
    Batch const log_v = load_lanes<Batch>(v(r) + j, which, -infinity<T>);
    return exponential(Batch(costs.exponent(i, j, which, Batch(problem.u(q, i))) + log_v));
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which) const {
    return plan(costs, iterations, iterations, i, j, which);
  }
  Batch column_adjoint(index_t, index_t j, auto which, Batch const& beta) const {
    Batch mass = load_lanes<Batch>(column_mass(0) + j, which);
    for (index_t k = 1; k < blocks.count; ++k) mass += load_lanes<Batch>(column_mass(k) + j, which);
    return share_in_lanes(beta, mass);
  }
  Batch beta(index_t, index_t, auto, Batch const& sum) const { return -sum; }
  /// y^r(i), and row i of P(r, r-1) into block k's row.
  void row_adjoint(cost_rows<Batch> const& costs, index_t r, index_t k, index_t i) const {
    T* const row = blocks.row(k);
    Batch dot(T(0)), mass(T(0));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const after = plan(costs, r, r, i, j, which);
      Batch const between = plan(costs, r, r - 1, i, j, which);
      dot = multiply_add(after, load_lanes<Batch>(x(r) + j, which), dot);
      mass += between;
      store_lanes(row + j, between, which);
    });
    T const own = r == iterations ? alpha(i) : T(0);
    y(r, i) = share_of(T(own - lane_sum(dot)), lane_sum(mass));
  }
  /// Of row i, what x^(r-1) is made of: its part of P(r, r-1)^T y^r and of P(r-1, r-1)^T 1.
  void add_row(cost_rows<Batch> const& costs, index_t r, index_t k, index_t i) const {
    T *const out = blocks.sums(k), *const row = blocks.row(k);
    Batch const weight(y(r, i));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const sum = load_lanes<Batch>(out + j, which);
      store_lanes(out + j, Batch(multiply_add(load_lanes<Batch>(row + j, which), weight, sum)),
                  which);
      add_mass(k, j, which, plan(costs, r - 1, r - 1, i, j, which));
    });
  }
  void sweep_block(index_t r, index_t k) const {
    clear_mass(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      row_adjoint(costs, r, k, i);
      if (r > 1) add_row(costs, r, k, i);
    }
  }
  template <index_t Rows>
  void last_row_adjoints(index_t k, index_t begin) const {
    for (index_t i = begin; i < begin + Rows; ++i) row_adjoint(source.rows(k, i), 1, k, i);
  }
  template <index_t Rows>
  void entries(cost_rows<Batch> const& costs, index_t begin, index_t j, auto which,
               Batch (&out)[Rows]) const {
    for (index_t n = 0; n < Rows; ++n) {
      index_t const i = begin + n;
      Batch const moved = plan(costs, iterations, iterations, i, j, which);
      Batch adjoint = where_mass(moved, Batch(moved * costs.cost(i, j, which)));
      for (index_t r = 1; r <= iterations; ++r) {
        Batch const after = plan(costs, r, r, i, j, which);
        Batch const between = plan(costs, r, r - 1, i, j, which);
        adjoint = multiply_add(Batch(-after), load_lanes<Batch>(x(r) + j, which), adjoint);
        adjoint = multiply_add(Batch(-between), Batch(y(r, i)), adjoint);
      }
      out[n] = multiply_add(adjoint, source.rate, moved);
    }
  }
};
}  // namespace mlot::on
