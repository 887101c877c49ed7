#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn_gradient.hpp"
#include "mlot/simd/sinkhorn.hpp"
/// The unrolled gradient, one sweep an iteration. The last sweep and the last pass over the matrix
/// are one: a row is finished while it is in cache.
namespace mlot::on {
/// x^r and y^r of all problems, from N down to 1, and the first adjoint of log u.
template <class T>
struct adjoint_scratch {
  matrix_view<T, host_memory> x, y;   ///< (N, column tokens), (N, row tokens)
  vector_view<T, host_memory> alpha;  ///< (row tokens)
  adjoint_scratch(sinkhorn<T, host_memory> const& p, arena<host_memory>& space)
      : x(space.matrix<T>(p.iterations, p.batch.columns)),
        y(space.matrix<T>(p.iterations, p.batch.rows)),
        alpha(space.vector<T>(p.batch.rows)) {}
};

template <class Batch>
struct adjoints {
  using T = typename Batch::value_type;
  problem_lanes<Batch> const& lanes;
  row_blocks<Batch> const& blocks;
  matrix_view<T, host_memory> gradient;  ///< in the scaling domain holds K until the last pass
  adjoint_scratch<T> const& all;
  T const* initial;  ///< v^0
  sinkhorn_problem<T> const& problem = lanes.problem;
  index_t iterations = problem.done();

  T* x(index_t r) const { return &all.x(r - 1, problem.column_first); }
  T& y(index_t r, index_t i) const { return all.y(r - 1, problem.row_first + i); }
  T& alpha(index_t i) const { return all.alpha(problem.row_first + i); }
  T const* v(index_t r) const { return r > 0 ? &problem.v(r, 0) : initial; }
};

/// In the scaling domain X^r = v^r o x^r and Y^r = u^r o y^r are kept, with which K alone is
/// needed.
template <class Batch>
struct scaling_adjoints : adjoints<Batch> {
  using typename adjoints<Batch>::T;
  using base = adjoints<Batch>;
  using base::lanes, base::blocks, base::gradient, base::problem, base::iterations;
  using base::x, base::y, base::v, base::alpha;

  static constexpr T no_mass = 0;  ///< as u or v

  /// x^r(j) and y^r(i) without their scalings.
  T own_x(index_t r, index_t j) const { return share_of(x(r)[j], v(r)[j]); }
  T own_y(index_t r, index_t i) const { return share_of(y(r, i), problem.u(r, i)); }
  /// Before row i is used for the first time.
  void begin_row(index_t i) const { lanes.write_kernel_row(i, &gradient(i, 0)); }
  Batch mass(index_t i, index_t j, auto which, Batch const& last) const {
    return Batch(problem.u(iterations, i)) * load_lanes<Batch>(&gradient(i, j), which) * last;
  }
  Batch column_adjoint(index_t r, index_t j, auto which, Batch const& beta) const {
    return load_lanes<Batch>(v(r) + j, which) *
           share_in_lanes(beta, lanes.column_marginal(j, which));
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
        gradient, blocks.begin(k), blocks.end(k), x(r), blocks.sums(k), [](index_t) {},
        [&](index_t i, T dot) { return row_adjoint(r, i, dot); });
  }
  /// y^1, then  K o { u^N (v^N)^T o (1 - C / epsilon) + (1 / epsilon) sum_r [ u^r (X^r)^T
  /// + Y^r (v^(r-1))^T ] }
  template <index_t Rows>
  void finish_rows(index_t i) const {
    Batch dot[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const x1 = load_lanes<Batch>(x(1) + j, which);
      for (index_t n = 0; n < Rows; ++n)
        dot[n] = multiply_add(load_lanes<Batch>(&gradient(i + n, j), which), x1, dot[n]);
    });
    for (index_t n = 0; n < Rows; ++n) row_adjoint(1, i + n, lane_sum(dot[n]));
    Batch const one(T(1)), rate = -lanes.rate;
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
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
        Batch const kernel = load_lanes<Batch>(&gradient(i + n, j), which);
        Batch const u(problem.u(iterations, i + n)), c = lanes.cost(i + n, j, which);
        Batch const direct = u * last * (one - c * rate);
        store_lanes(&gradient(i + n, j), Batch(kernel * multiply_add(sum[n], rate, direct)), which);
      }
    });
  }
};

/// In the log domain x^r and y^r themselves are kept, and every P(q, r) is made from its exponents.
template <class Batch>
struct logarithmic_adjoints : adjoints<Batch> {
  using typename adjoints<Batch>::T;
  using base = adjoints<Batch>;
  using base::lanes, base::blocks, base::gradient, base::problem, base::iterations;
  using base::x, base::y, base::v, base::alpha;

  static constexpr T no_mass = -infinity<T>;

  T own_x(index_t r, index_t j) const { return x(r)[j]; }
  T own_y(index_t r, index_t i) const { return y(r, i); }
  void begin_row(index_t) const {}
  /// P(q, r) at row i, with v the logarithms v^r.
  Batch plan(index_t q, index_t i, index_t j, auto which, Batch const& log_v) const {
    return exponential(Batch(lanes.exponent(i, j, which, Batch(problem.u(q, i))) + log_v));
  }
  Batch mass(index_t i, index_t j, auto which, Batch const& last) const {
    return plan(iterations, i, j, which, last);
  }
  Batch column_adjoint(index_t, index_t j, auto which, Batch const& beta) const {
    return share_in_lanes(beta, lanes.column_marginal(j, which));
  }
  Batch beta(index_t, index_t, auto, Batch const& sum) const { return -sum; }
  void row_adjoint(index_t r, index_t i) const {
    Batch dot(T(0));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const after = plan(r, i, j, which, load_lanes<Batch>(v(r) + j, which, -infinity<T>));
      dot = multiply_add(after, load_lanes<Batch>(x(r) + j, which), dot);
    });
    T const own = r == iterations ? alpha(i) : T(0);
    y(r, i) = share_of(T(own - lane_sum(dot)), problem.a(i));
  }
  void sweep_block(index_t r, index_t k) const {
    T* const out = blocks.sums(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      row_adjoint(r, i);
      Batch const weight(y(r, i));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const between =
            plan(r, i, j, which, load_lanes<Batch>(v(r - 1) + j, which, -infinity<T>));
        store_lanes(out + j,
                    Batch(multiply_add(between, weight, load_lanes<Batch>(out + j, which))), which);
      });
    }
  }
  template <index_t Rows>
  void finish_rows(index_t begin) const {
    for (index_t i = begin; i < begin + Rows; ++i) {
      row_adjoint(1, i);
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const last = load_lanes<Batch>(v(iterations) + j, which, -infinity<T>);
        Batch const moved = plan(iterations, i, j, which, last);
        Batch adjoint = moved * lanes.cost(i, j, which);
        for (index_t r = 1; r <= iterations; ++r) {
          Batch const after =
              plan(r, i, j, which, load_lanes<Batch>(v(r) + j, which, -infinity<T>));
          Batch const between =
              plan(r, i, j, which, load_lanes<Batch>(v(r - 1) + j, which, -infinity<T>));
          adjoint = multiply_add(Batch(-after), load_lanes<Batch>(x(r) + j, which), adjoint);
          adjoint = multiply_add(Batch(-between), Batch(y(r, i)), adjoint);
        }
        store_lanes(&gradient(i, j), Batch(multiply_add(adjoint, lanes.rate, moved)), which);
      });
    }
  }
};

/// The gradient of one problem, with the threads of `blocks`.
template <class Batch, template <class> class Adjoints>
void differentiate_in_lanes(sinkhorn_gradient<typename Batch::value_type, host_memory> const& p,
                            sinkhorn_problem<typename Batch::value_type> const& problem,
                            row_blocks<Batch> const& blocks,
                            adjoint_scratch<typename Batch::value_type> const& all,
                            typename Batch::value_type* initial) {
  using T = typename Batch::value_type;
  problem_lanes<Batch> const lanes{problem};
  Adjoints<Batch> const way_back{
      {lanes, blocks, p.of.batch.of(p.cost_gradient, problem.b), all, initial}};
  index_t const iterations = problem.done();
  if (blocks.threads.rank == 0)
    for (index_t j = 0; j < problem.columns; ++j) initial[j] = problem.v_before(1, j);
  auto const write_x = [&](index_t r, index_t j, auto which, Batch const& beta) {
    store_lanes(way_back.x(r) + j, way_back.column_adjoint(r, j, which, beta), which);
  };

  // alpha = (P o C) 1, beta = (P o C)^T 1
  blocks.for_mine(0, [&](index_t k) {
    T* const out = blocks.sums(k);
    std::fill_n(out, problem.columns, T(0));
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      way_back.begin_row(i);
      Batch moved(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const last = load_lanes<Batch>(way_back.v(iterations) + j, which, way_back.no_mass);
        Batch const p = way_back.mass(i, j, which, last) * lanes.cost(i, j, which);
        moved += p;
        store_lanes(out + j, Batch(load_lanes<Batch>(out + j, which) + p), which);
      });
      way_back.alpha(i) = lane_sum(moved);
    }
  });
  blocks.for_my_columns(
      [&](index_t j, auto which, Batch const& sum) { write_x(iterations, j, which, sum); });
  for (index_t r = iterations; r > 1; --r) {
    blocks.for_mine(iterations - r + 1, [&](index_t k) {
      std::fill_n(blocks.sums(k), problem.columns, T(0));
      way_back.sweep_block(r, k);
    });
    blocks.for_my_columns([&](index_t j, auto which, Batch const& sum) {
      write_x(r - 1, j, which, way_back.beta(r, j, which, sum));
    });
  }
  blocks.for_mine(iterations, [&](index_t k) {
    for_row_groups(blocks.begin(k), blocks.end(k),
                   [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                     way_back.template finish_rows<Rows>(i);
                   });
  });
  blocks.threads.wait();
  if (blocks.threads.rank == 0)
    write_marginal_gradients(
        p, problem, [&](index_t r, index_t i) { return way_back.own_y(r, i); },
        [&](index_t r, index_t j) { return way_back.own_x(r, j); });
}

template <class Arch, has_lanes T>
std::size_t scratch_size(simd<Arch>, sinkhorn_gradient<T, host_memory> const& p) {
  arena<host_memory> space;
  iteration_scratch<T>(p.of.batch, space);
  adjoint_scratch<T>(p.of, space);
  return space.bytes();
}

template <class Arch, has_lanes T>
status run(simd<Arch>, sinkhorn_gradient<T, host_memory> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous(p.of) || p.cost_gradient.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  iteration_scratch<T> const all(p.of.batch, space);
  adjoint_scratch<T> const adjoint(p.of, space);
  auto const zero = [](index_t, index_t) { return T(0); };
  for_problems(p.of.batch, all.order, 4 * p.of.iterations, [&](index_t b, team const& threads) {
    sinkhorn_problem<T> const problem{p.of, b};
    if (problem.rows == 0 || problem.columns == 0) {
      if (threads.rank == 0) write_marginal_gradients(p, problem, zero, zero);
      return;
    }
    row_blocks<batch> const blocks(p.of.batch, b, all.blocks, threads);
    T* const initial = &all.initial(problem.column_first);
    if (problem.logarithmic)
      differentiate_in_lanes<batch, logarithmic_adjoints>(p, problem, blocks, adjoint, initial);
    else
      differentiate_in_lanes<batch, scaling_adjoints>(p, problem, blocks, adjoint, initial);
  });
  return {};
}
}  // namespace mlot::on
