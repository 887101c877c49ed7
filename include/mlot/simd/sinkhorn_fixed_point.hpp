#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn_fixed_point.hpp"
#include "mlot/simd/sinkhorn_lanes.hpp"
/// The derivatives that need the last scalings alone, in either domain. A plan is stored where
/// there is a matrix for the gradient, and made anew in every sweep where there is none.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_cost;
using scalar::any_problem;
using scalar::fixed_point_vectors;
using scalar::per_mass;

/// dSD/dC = P.
template <class Batch>
struct plan_entries {
  using T = typename Batch::value_type;
  cost_source<Batch> const& source;
  matrix_view<T, host_memory> gradient;
  row_blocks<Batch> const& blocks = source.blocks;
  any_problem<T> const& problem = source.problem;
  index_t iterations = problem.done();
  T const* v = &problem.v(iterations, 0);
  bool const computed = source.computed, logarithmic = problem.logarithmic;

  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which) const {
    Batch const u(problem.u(iterations, i));
    if (logarithmic) {
      Batch const log_v = load_lanes<Batch>(v + j, which, -infinity<T>);
      return exponential(Batch(costs.exponent(i, j, which, u) + log_v));
    } else {
      return product(product(u, costs.kernel(i, j, which)), load_lanes<Batch>(v + j, which));
    }
  }
  [[gnu::noinline]] void write_row(cost_rows<Batch> costs, index_t i, index_t first, index_t width,
                                   T* out) const {
    for_lanes<Batch>(width, [&](index_t at, auto which) {
      store_lanes(out + at, mass(costs, i, first + at, which), which);
    });
  }
  static void write_rows(void const* self, cost_rows<Batch> costs, index_t, index_t i, index_t rows,
                         index_t first, index_t width, T* out, index_t stride) {
    for (index_t n = 0; n < rows; ++n)
      static_cast<plan_entries const*>(self)->write_row(costs, i + n, first, width,
                                                        out + n * stride);
  }
  entry_writer<Batch> entries() const { return {this, write_rows}; }
};

/// The system of derivative::implicit of one problem, with the threads of its blocks. Its solver
/// runs on the first thread; the others wait for the products that it asks for.
template <class Batch>
struct fixed_point_in_lanes
    : plan_entries<Batch>,
      fixed_point_vectors<typename Batch::value_type, any_cost<typename Batch::value_type>> {
  using plan = plan_entries<Batch>;
  using vectors =
      fixed_point_vectors<typename Batch::value_type, any_cost<typename Batch::value_type>>;
  using plan::source, plan::gradient, plan::blocks, plan::problem, plan::mass, plan::computed;
  using vectors::all, vectors::rows, vectors::columns;
  using vectors::row_mass, vectors::mean_cost, vectors::x, vectors::column_cost, vectors::right,
      vectors::y, vectors::in, vectors::out;
  using T = typename Batch::value_type;

  /// a, t, c and the right side. From here on `gradient`, where it is, holds P.
  void begin() const {
    blocks.for_mine(0, [&](index_t k) {
      T* const sums = blocks.sums(k);
      std::fill_n(sums, columns, T(0));
      for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
        auto const costs = source.rows(k, i);
        Batch carried(T(0)), moved(T(0));
        for_lanes<Batch>(columns, [&](index_t j, auto which) {
          Batch const p = this->mass(costs, i, j, which);
          Batch const cost = where_mass(p, product(p, costs.cost(i, j, which)));
          carried += p;
          moved += cost;
          store_lanes(sums + j, Batch(load_lanes<Batch>(sums + j, which) + cost), which);
          if (!computed) store_lanes(&gradient(i, j), p, which);
        });
        row_mass(i) = lane_sum(carried);
        mean_cost(i) = per_mass(lane_sum(moved), row_mass(i));
      }
    });
    blocks.for_my_columns([&](index_t j, auto which, Batch const& sum) {
      store_lanes(&column_cost(j), sum, which);
      store_lanes(&y(j), Batch(T(0)), which);
    });
    sweep_plan(
        &y(0), [&](index_t i, T) { return mean_cost(i); },
        [&](index_t j, auto which, Batch const& sum) {
          store_lanes(&right(j), Batch(load_lanes<Batch>(&column_cost(j), which) - sum), which);
        });
  }
  /// Every thread calls it; all come back when y is solved for. Answers the first thread the
  /// iterations of conjugate gradients.
  index_t solve(derivative::implicit const& options) const {
    if (blocks.threads.rank != 0) {
      while (product_wanted()) multiply_together();
      return 0;
    }
    index_t& serves = all.serves(problem.b);
    serves = 1;
    index_t const done = scalar::solve(*this, options);
    serves = 0;
    blocks.threads.wait();
    return done;
  }
  /// For the solver: out = P^T diag(1/a) P in.
  void multiply() const {
    blocks.threads.wait();
    multiply_together();
  }
  /// For the solver: calls visit(i, P(i, .), C(i, .)) row by row.
  template <class Visit>
  void for_each_row(Visit visit) const {
    for (index_t k = 0; k < blocks.count; ++k)
      for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
        auto const costs = source.rows(k, i);
        T const *const cost = costs.from(i).first, *const masses = row_of_plan(costs, k, i);
        visit(
            i, [masses](index_t j) { return masses[j]; }, [cost](index_t j) { return cost[j]; });
      }
  }
  /// Given y: x, and out = P^T x.
  void end() const {
    sweep_plan(
        &y(0), [&](index_t i, T dot) { return x(i) = mean_cost(i) - per_mass(dot, row_mass(i)); },
        [&](index_t j, auto which, Batch const& sum) { store_lanes(&out(j), sum, which); });
  }
  static void write_rows(void const* self, cost_rows<Batch> costs, index_t, index_t begin,
                         index_t count, index_t first, index_t width, T* to, index_t stride) {
    auto const& own = *static_cast<fixed_point_in_lanes const*>(self);
    for (index_t i = begin; i < begin + count; ++i)
      for_lanes<Batch>(width, [&](index_t at, auto which) {
        index_t const j = first + at;
        T* const place = to + (i - begin) * stride + at;
        Batch const p =
            own.computed ? own.mass(costs, i, j, which) : load_lanes<Batch>(place, which);
        Batch const surplus =
            costs.cost(i, j, which) - (Batch(own.x(i)) + load_lanes<Batch>(&own.y(j), which));
        store_lanes(
            place,
            where_mass(p, Batch(multiply_add(product(surplus, p), Batch(own.source.rate), p))),
            which);
      });
  }
  entry_writer<Batch> entries() const { return {this, write_rows}; }

 private:
  /// One sweep over P: weigh(i, sum_j P(i, j) from[j]) weighs row i into the sums of the columns,
  /// and take(j, which, sum) takes these.
  template <class Weigh, class Take>
  void sweep_plan(T const* from, Weigh weigh, Take take) const {
    blocks.for_mine(1, [&](index_t k) {
      std::fill_n(blocks.sums(k), columns, T(0));
      sweep<Batch, T>(
          columns, blocks.begin(k), blocks.end(k), from, blocks.sums(k),
          [&](index_t i, index_t) -> strided_rows<T> {
            if (computed)
              return computed_plan(k, i);
            else
              return {&gradient(i, 0), gradient.row_stride};
          },
          [&](index_t i, index_t count, T* to) {
            for (index_t n = 0; n < count; ++n) to[n] = weigh(i + n, to[n]);
          });
    });
    blocks.for_my_columns(take);
  }
  strided_rows<T> computed_plan(index_t k, index_t i) const {
    auto const some = source.rows(k, i);
    if (some.first_row == i)
      for (index_t n = i; n < source.group_end(k, i); ++n)
        this->write_row(some, n, 0, columns, source.memory(k) + (n - i) * some.stride);
    return some.from(i);
  }
  bool product_wanted() const {
    blocks.threads.wait();
    return all.serves(problem.b) == 1;
  }
  void multiply_together() const {
    sweep_plan(
        &in(0), [&](index_t i, T dot) { return per_mass(dot, row_mass(i)); },
        [&](index_t j, auto which, Batch const& sum) { store_lanes(&out(j), sum, which); });
  }
  T const* row_of_plan(cost_rows<Batch> const& costs, index_t k, index_t i) const {
    if (computed) {
      for_lanes<Batch>(columns, [&](index_t j, auto which) {
        store_lanes(blocks.row(k) + j, this->mass(costs, i, j, which), which);
      });
      return blocks.row(k);
    } else {
      return &gradient(i, 0);
    }
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
