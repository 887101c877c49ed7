#pragma once
#include "mlot/simd/sinkhorn_lanes.hpp"
/// What a step back through an iteration is, in either domain.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_problem;

/// x^r and y^r of all problems, from N down to 1, the first adjoint of log u, and the columns'
/// masses of every block.
template <class T>
struct adjoint_scratch {
  matrix_view<T, host_memory> x, y;    ///< (N, column tokens), (N, row tokens)
  vector_view<T, host_memory> alpha;   ///< (row tokens)
  matrix_view<T, host_memory> masses;  ///< (blocks of the batch, longest_row)
  [[gnu::noinline]] adjoint_scratch(problem_batch<host_memory> const& batch, index_t iterations,
                                    index_t blocks, arena<host_memory>& space)
      : x(space.matrix<T>(iterations, batch.columns)),
        y(space.matrix<T>(iterations, batch.rows)),
        alpha(space.vector<T>(batch.rows)),
        masses(space.matrix<T>(blocks, batch.longest_row)) {}
};

/// In the scaling domain X^r = v^r o x^r and Y^r = u^r o y^r are kept, with which K alone is
/// needed. P is a product of numbers that the iterations worked with: its lines hold the marginals
/// to a few roundings, and these stand for their masses.
/// In the log domain x^r and y^r themselves are kept, and every P(q, r) is made from its exponents,
/// whose rounding moves the entries by C / epsilon times as much. What is divided by are the masses
/// that these entries have, not the marginals: docs/numerics.md, "Through the iterations".
template <class Batch>
struct adjoints {
  using T = typename Batch::value_type;
  cost_source<Batch> const& source;
  matrix_view<T, host_memory> gradient;  ///< in the scaling domain holds K until the last pass
  adjoint_scratch<T> const& all;
  T const* initial;  ///< v^0
  row_blocks<Batch> const& blocks = source.blocks;
  any_problem<T> const& problem = source.problem;
  index_t iterations = problem.done();
  bool const computed = source.computed, logarithmic = problem.logarithmic;

  T* x(index_t r) const { return &all.x(r - 1, problem.column_first); }
  T& y(index_t r, index_t i) const { return all.y(r - 1, problem.row_first + i); }
  T& alpha(index_t i) const { return all.alpha(problem.row_first + i); }
  T const* v(index_t r) const { return r > 0 ? &problem.v(r, 0) : initial; }
  /// x^r(j) and y^r(i) without their scalings.
  T own_x(index_t r, index_t j) const { return logarithmic ? x(r)[j] : share_of(x(r)[j], v(r)[j]); }
  T own_y(index_t r, index_t i) const {
    return logarithmic ? y(r, i) : share_of(y(r, i), problem.u(r, i));
  }
  /// Block k's part of the columns' masses in the P(r, r) that x^r is made of next.
  T* column_mass(index_t k) const { return &all.masses(blocks.first + k, 0); }
  void clear_mass(index_t k) const {
    if (logarithmic) std::fill_n(column_mass(k), problem.columns, T(0));
  }
  /// alpha = (P o C) 1, and block k's part of beta = (P o C)^T 1.
  [[gnu::noinline]] void begin_block(index_t k) const {
    T *const out = blocks.sums(k), *const masses = blocks.row(k);
    std::fill_n(out, problem.columns, T(0));
    clear_mass(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      if (logarithmic) {
        write_plan_row(costs, iterations, iterations, i, masses);
        add_mass(k, masses);
      } else {
        T* const kernel = computed ? masses : &gradient(i, 0);
        write_gibbs_row(costs, i, 0, problem.columns, kernel);
        scale_row(problem.u(iterations, i), kernel, v(iterations), masses);
      }
      Batch moved(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const mass = load_lanes<Batch>(masses + j, which);
        Batch const p = where_mass(mass, product(mass, costs.cost(i, j, which)));
        moved += p;
        store_lanes(out + j, Batch(load_lanes<Batch>(out + j, which) + p), which);
      });
      alpha(i) = lane_sum(moved);
    }
  }
  Batch column_adjoint(index_t r, index_t j, auto which, Batch const& beta) const {
    if (!logarithmic)
      return load_lanes<Batch>(v(r) + j, which) *
             share_in_lanes(beta, column_marginal<Batch>(problem, j, which));
    Batch mass = load_lanes<Batch>(column_mass(0) + j, which);
    for (index_t k = 1; k < blocks.count; ++k) mass += load_lanes<Batch>(column_mass(k) + j, which);
    return share_in_lanes(beta, mass);
  }
  Batch beta(index_t r, index_t j, auto which, Batch const& sum) const {
    if (logarithmic) return -sum;
    return -product(load_lanes<Batch>(v(r - 1) + j, which), sum);
  }
  void sweep_block(index_t r, index_t k) const {
    if (logarithmic) return sweep_logarithms(r, k);
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), x(r), blocks.sums(k),
        [&](index_t i, index_t) -> strided_rows<T> {
          if (!computed) return {&gradient(i, 0), gradient.row_stride};
          auto const some = source.rows(k, i);
          if (some.first_row == i)
            for (index_t n = i; n < source.group_end(k, i); ++n)
              write_gibbs_row(some, n, 0, problem.columns,
                              source.memory(k) + (n - i) * some.stride);
          return some.from(i);
        },
        [&](index_t i, index_t count, T* x) { row_adjoints(r, i, count, x); });
  }
  entry_writer<Batch> entries() const {
    return {this, logarithmic ? write_logarithmic : write_scaled};
  }

 private:
  [[gnu::noinline]] void scale_row(T u, T const* kernel, T const* v, T* out) const {
    for_lanes<Batch>(problem.columns, [=](index_t j, auto which) {
      Batch const scaled = Batch(u) * load_lanes<Batch>(kernel + j, which);
      store_lanes(out + j, Batch(scaled * load_lanes<Batch>(v + j, which)), which);
    });
  }
  /// Row i of P(q, r).
  [[gnu::noinline, gnu::flatten]] void write_plan_row(cost_rows<Batch> costs, index_t q, index_t r,
                                                      index_t i, T* out) const {
    for_lanes<Batch>(problem.columns,
                     [=, u = Batch(problem.u(q, i)), v = v(r)](index_t j, auto which) {
                       store_lanes(out + j, plan(costs, u, v + j, i, j, which), which);
                     });
  }
  void add_mass(index_t k, T const* masses) const {
    T* const to = column_mass(k);
    for_few_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      store_lanes(to + j,
                  Batch(load_lanes<Batch>(to + j, which) + load_lanes<Batch>(masses + j, which)),
                  which);
    });
  }
  /// Y^r of some rows, in place of their dots.
  void row_adjoints(index_t r, index_t i, index_t count, T* x) const {
    T const* const u = &problem.u(r, i);
    T *const to = &y(r, i), *const first = &alpha(i);
    bool const begins = r == iterations;
    for (index_t n = 0; n < count; ++n) {
      T const own = begins ? first[n] : T(0);
      x[n] = to[n] = u[n] * share_of(multiply_add(-u[n], x[n], own), problem.a(i + n));
    }
  }
  /// y^1 of some rows of a kernel that exists.
  template <index_t Rows>
  void last_row_adjoints(index_t i) const {
    T const *const first_x = x(1), *const kernel = &gradient(i, 0);
    index_t const stride = gradient.row_stride;
    Batch dot[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(problem.columns, [&, first_x, kernel, stride](index_t j, auto which) {
      Batch const x1 = load_lanes<Batch>(first_x + j, which);
      for (index_t n = 0; n < Rows; ++n)
        dot[n] = multiply_add(load_lanes<Batch>(kernel + n * stride + j, which), x1, dot[n]);
    });
    T x[Rows];
    for (index_t n = 0; n < Rows; ++n) x[n] = lane_sum(dot[n]);
    row_adjoints(1, i, Rows, x);
  }
  /// K o { u^N (v^N)^T o (1 - C / epsilon)
  /// + (1 / epsilon) sum_r [ u^r (X^r)^T + Y^r (v^(r-1))^T ] }
  [[gnu::noinline]] static void write_scaled(void const* self, cost_rows<Batch> costs, index_t,
                                             index_t begin, index_t rows, index_t first,
                                             index_t width, T* out, index_t stride) {
    auto const& own = *static_cast<adjoints const*>(self);
    for (index_t i = begin; i < begin + rows && own.computed; ++i)
      write_gibbs_row(costs, i, first, width, out + (i - begin) * stride);
    for_row_groups(begin, begin + rows,
                   [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                     own.template write_scaled_rows<Rows>(costs, i, first, width,
                                                          out + (i - begin) * stride, stride);
                   });
  }
  template <index_t Rows>
  void write_scaled_rows(cost_rows<Batch> costs, index_t i, index_t first, index_t width, T* out,
                         index_t stride) const {
    if (!computed) last_row_adjoints<Rows>(i);
    history const all_of(*this, i, first);
    index_t const last_iteration = iterations;
    Batch const one(T(1)), minus_rate(source.rate), rate(-source.rate);
    for_lanes<Batch>(width, [=](index_t at, auto which) {
      index_t const j = first + at;
      Batch sum[Rows];
      for (auto& s : sum) s = Batch(T(0));
      for (index_t r = 1; r <= last_iteration; ++r) {
        Batch const xr = load_lanes<Batch>(all_of.x(r) + at, which);
        Batch const vr = load_lanes<Batch>(all_of.v(r - 1) + at, which);
        T const *const u = all_of.u(r), *const y = all_of.y(r);
        for (index_t n = 0; n < Rows; ++n)
          sum[n] = multiply_add(Batch(u[n]), xr, Batch(multiply_add(Batch(y[n]), vr, sum[n])));
      }
      Batch const last = load_lanes<Batch>(all_of.v(last_iteration) + at, which);
      for (index_t n = 0; n < Rows; ++n) {
        Batch const u(all_of.u(last_iteration)[n]), c = costs.cost(i + n, j, which);
        Batch const direct = product(product(u, last), multiply_add(c, minus_rate, one));
        T* const to = out + n * stride + at;
        Batch const kernel = load_lanes<Batch>(to, which);
        store_lanes(to, product(kernel, multiply_add(sum[n], rate, direct)), which);
      }
    });
  }

  /// P(q, r) where u is log u^q(i) and v points at log v^r.
  [[gnu::always_inline]] static inline Batch plan(cost_rows<Batch> const& costs, Batch const& u,
                                                  T const* v, index_t i, index_t j, auto which) {
    Batch const log_v = load_lanes<Batch>(v, which, -infinity<T>);
    return exponential(Batch(costs.exponent(i, j, which, u) + log_v));
  }
  [[gnu::noinline]] void sweep_logarithms(index_t r, index_t k) const {
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    clear_mass(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      row_adjoint(costs, r, k, i);
      if (r > 1) add_row(costs, r, k, i);
    }
  }
  /// y^r(i), and row i of P(r, r-1) into block k's row.
  [[gnu::noinline, gnu::flatten]] void row_adjoint(cost_rows<Batch> costs, index_t r, index_t k,
                                                   index_t i) const {
    T* const row = blocks.row(k);
    T const *const now = v(r), *const before = v(r - 1), *const own_x = x(r);
    Batch const u(problem.u(r, i));
    Batch dot(T(0)), mass(T(0));
    for_lanes<Batch>(problem.columns,
                     [&, u, now, before, own_x, costs, row, i](index_t j, auto which) {
                       Batch const after = plan(costs, u, now + j, i, j, which);
                       Batch const between = plan(costs, u, before + j, i, j, which);
                       dot = multiply_add(after, load_lanes<Batch>(own_x + j, which), dot);
                       mass += between;
                       store_lanes(row + j, between, which);
                     });
    T const own = r == iterations ? alpha(i) : T(0);
    y(r, i) = share_of(T(own - lane_sum(dot)), lane_sum(mass));
  }
  /// Of row i, what x^(r-1) is made of: its part of P(r, r-1)^T y^r and of P(r-1, r-1)^T 1.
  [[gnu::noinline, gnu::flatten]] void add_row(cost_rows<Batch> costs, index_t r, index_t k,
                                               index_t i) const {
    T *const out = blocks.sums(k), *const row = blocks.row(k), *const to = column_mass(k);
    T const* const before = v(r - 1);
    Batch const weight(y(r, i)), u(problem.u(r - 1, i));
    for_lanes<Batch>(problem.columns, [=](index_t j, auto which) {
      Batch const sum = load_lanes<Batch>(out + j, which);
      store_lanes(out + j, Batch(multiply_add(load_lanes<Batch>(row + j, which), weight, sum)),
                  which);
      Batch const mass = plan(costs, u, before + j, i, j, which);
      store_lanes(to + j, Batch(load_lanes<Batch>(to + j, which) + mass), which);
    });
  }
  [[gnu::noinline]] static void write_logarithmic(void const* self, cost_rows<Batch> costs,
                                                  index_t k, index_t begin, index_t rows,
                                                  index_t first, index_t width, T* out,
                                                  index_t stride) {
    auto const& own = *static_cast<adjoints const*>(self);
    for (index_t i = begin; i < begin + rows; ++i) {
      if (!own.computed) own.row_adjoint(costs, 1, k, i);
      own.write_logarithmic_row(costs, i, first, width, out + (i - begin) * stride);
    }
  }
  [[gnu::noinline, gnu::flatten]] void write_logarithmic_row(cost_rows<Batch> costs, index_t i,
                                                             index_t first, index_t width,
                                                             T* out) const {
    history const all_of(*this, i, first);
    index_t const last_iteration = iterations;
    for_lanes<Batch>(width, [=, rate = Batch(source.rate)](index_t at, auto which) {
      index_t const j = first + at;
      Batch const last(*all_of.u(last_iteration));
      Batch const moved = plan(costs, last, all_of.v(last_iteration) + at, i, j, which);
      Batch adjoint = where_mass(moved, product(moved, costs.cost(i, j, which)));
      for (index_t r = 1; r <= last_iteration; ++r) {
        Batch const u(*all_of.u(r));
        Batch const after = plan(costs, u, all_of.v(r) + at, i, j, which);
        Batch const between = plan(costs, u, all_of.v(r - 1) + at, i, j, which);
        adjoint = multiply_add(Batch(-after), load_lanes<Batch>(all_of.x(r) + at, which), adjoint);
        adjoint = multiply_add(Batch(-between), Batch(*all_of.y(r)), adjoint);
      }
      store_lanes(out + at, Batch(multiply_add(adjoint, rate, moved)), which);
    });
  }
  /// Where the scalings and adjoints of row i and column j lie, iteration by iteration.
  struct history {
    T const *v0, *v1, *x1, *u1, *y1;
    index_t v_stride, x_stride, u_stride, y_stride;
    history(adjoints const& own, index_t i, index_t j)
        : v0(own.initial + j),
          v1(own.v(1) + j),
          x1(own.x(1) + j),
          u1(&own.problem.u(1, i)),
          y1(&own.y(1, i)),
          v_stride(own.problem.p.history.column_scaling.row_stride),
          x_stride(own.all.x.row_stride),
          u_stride(own.problem.p.history.row_scaling.row_stride),
          y_stride(own.all.y.row_stride) {}
    T const* v(index_t r) const { return r > 0 ? v1 + (r - 1) * v_stride : v0; }
    T const* x(index_t r) const { return x1 + (r - 1) * x_stride; }
    T const* u(index_t r) const { return u1 + (r - 1) * u_stride; }
    T const* y(index_t r) const { return y1 + (r - 1) * y_stride; }
  };
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
