#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn_gradient.hpp"
#include "mlot/simd/sinkhorn.hpp"
#include "mlot/simd/sinkhorn_adjoints.hpp"
#include "mlot/simd/sinkhorn_fixed_point.hpp"
/// The unrolled gradient takes one sweep an iteration. Where the cost is a matrix, the last sweep
/// and the pass that writes dSD/dC are one: a row is finished while it is in cache. Where it is
/// computed, dSD/dC is made tile by tile and goes into the student's gradient at once.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_cost;
using scalar::any_problem;
using scalar::any_sinkhorn;
using scalar::derivative_scratch;
using scalar::with_cost;
using scalar::write_envelope_gradients;
using scalar::write_marginal_gradients;
using scalar::write_solution;

/// The recursion of one problem, with the threads of its blocks, down to x^1.
template <class Batch>
[[gnu::noinline]] void recur(adjoints<Batch> const& way_back, typename Batch::value_type* initial) {
  auto const& blocks = way_back.blocks;
  auto const& problem = way_back.problem;
  index_t const iterations = way_back.iterations;
  if (blocks.threads.rank == 0)
    for (index_t j = 0; j < problem.columns; ++j) initial[j] = problem.v_before(1, j);
  for (index_t r = iterations + 1; r > 1; --r) {
    blocks.for_mine(iterations - r + 1, [&](index_t k) {
      if (r > iterations)
        way_back.begin_block(k);
      else
        way_back.sweep_block(r, k);
    });
    blocks.for_my_columns([&](index_t j, auto which, Batch const& sum) {
      Batch const beta = r > iterations ? sum : way_back.beta(r, j, which, sum);
      store_lanes(way_back.x(r - 1) + j, way_back.column_adjoint(r - 1, j, which, beta), which);
    });
  }
}

/// Where dSD/dC goes: into its matrix, or, where the cost is computed, into the student's table.
template <class T>
struct gradient_target {
  matrix_view<T, host_memory> matrix{};  ///< of all problems, or no memory
  void const* tables = nullptr;
  void (*finish)(void const* tables, void const* source, void const* writer) = nullptr;
};

/// What the rows still lack, and dSD/dC into its matrix.
template <class Batch>
[[gnu::noinline]] void finish(cost_source<Batch> const& source,
                              matrix_view<typename Batch::value_type, host_memory> gradient,
                              index_t pass, entry_writer<Batch> const& writer) {
  auto const& blocks = source.blocks;
  blocks.for_mine(pass, [&](index_t k) {
    for (index_t i = blocks.begin(k); i < blocks.end(k); i += 4) {
      index_t const rows = (std::min<index_t>)(4, blocks.end(k) - i);
      writer.write(writer.self, source.rows(k, i), k, i, rows, 0, source.problem.columns,
                   &gradient(i, 0), gradient.row_stride);
    }
  });
}

/// The student's gradient, a tile of its tokens at a time: some rows of C at the tile are computed,
/// become dSD/dC in place, and are added to the tile's gradient.
template <class Batch, class T, class Ground, storage Table>
struct table_target {
  Ground const& ground;
  cost_scratch<T, table_cost<T, host_memory, Ground, Table>> const& costs;
  matrix_view<T, host_memory> sums, student_gradient;
  one_or_each<T, host_memory> weight;

  [[gnu::noinline]] static void finish(void const* self, void const* of, void const* by) {
    auto const& own = *static_cast<table_target const*>(self);
    auto const& source = *static_cast<cost_source<Batch> const*>(of);
    auto const& writer = *static_cast<entry_writer<Batch> const*>(by);
    using tile = cost_gradient_tile<Batch, Ground>;
    auto const& blocks = source.blocks;
    auto const& problem = source.problem;
    auto const& tables = own.costs.tables;
    auto const teacher = tables.teacher(own.costs.of->teacher);
    index_t const tiles = (problem.columns + tile::most - 1) / tile::most;
    for (index_t n = blocks.threads.share(tiles); n < blocks.threads.share_end(tiles); ++n) {
      index_t const first = n * tile::most, width = (std::min)(tile::most, problem.columns - first);
      T* const panel = tables.panel(own.costs.batch, problem.b, n);
      tile const at{own.ground, teacher, panel, width,
                    own.sums.data + (panel - tables.panels.data)};
      at.clear();
      alignas(64) T rows[tile::rows * tile::most], entries[tile::rows * tile::most];
      for (index_t begin = 0; begin < problem.rows; begin += tile::rows) {
        index_t const count = (std::min)(tile::rows, problem.rows - begin);
        cost_rows<Batch> const costs{rows, tile::most, begin, first, source.rate};
        write_cost_rows<Batch>(own.ground, teacher, panel, problem.row_first + begin, count, width,
                               rows, tile::most);
        writer.write(writer.self, costs, 0, begin, count, first, width, entries, tile::most);
        at.add(problem.row_first + begin, problem.row_first + begin + count, entries, tile::most);
      }
      at.write(own.student_gradient, problem.column_first + first, own.weight(problem.b));
    }
  }
  gradient_target<T> target() const { return {{}, this, finish}; }
};

/// What the marginals get, in whatever derivative.
template <class T>
struct marginal_target {
  vector_view<T, host_memory> row_marginal_gradient, column_marginal_gradient;
  sinkhorn_solution<T, host_memory> solution;
};

/// Everything that a gradient needs beside its outputs.
template <class T, class Derivative>
struct gradient_scratch {
  iteration_scratch<T> iterations;
  derivative_scratch<T, Derivative> own;
  gradient_scratch(any_sinkhorn<T> const& p, arena<host_memory>& space)
      : iterations(p.batch, space), own(p, space) {}
};
template <class T>
struct gradient_scratch<T, derivative::unrolled> {
  iteration_scratch<T> iterations;
  adjoint_scratch<T> own;
  gradient_scratch(any_sinkhorn<T> const& p, arena<host_memory>& space)
      : iterations(p.batch, space),
        own(p.batch, p.iterations, iterations.blocks.sums.rows, space) {}
};

template <class Batch, class T>
void finish(cost_source<Batch> const& source, gradient_target<T> const& to, index_t pass,
            entry_writer<Batch> const& writer) {
  if (to.finish != nullptr) return to.finish(to.tables, &source, &writer);
  finish(source, source.problem.p.batch.of(to.matrix, source.problem.b), pass, writer);
}

/// The derivative that is asked for, of one problem, with the threads of its blocks.
template <class Batch, class T>
[[gnu::noinline]] void differentiate_in_lanes(derivative::unrolled const&,
                                              marginal_target<T> const& p,
                                              cost_source<Batch> const& source,
                                              gradient_scratch<T, derivative::unrolled> const& all,
                                              gradient_target<T> const& to) {
  auto const& blocks = source.blocks;
  auto* const initial = &all.iterations.initial(source.problem.column_first);
  adjoints<Batch> const way_back{source, source.problem.p.batch.of(to.matrix, source.problem.b),
                                 all.own, initial};
  recur(way_back, initial);
  if (source.computed) {  // y^1, which a matrix gets with its entries
    blocks.for_mine(way_back.iterations, [&](index_t k) { way_back.sweep_block(1, k); });
    blocks.threads.wait();
  }
  finish(source, to, way_back.iterations, way_back.entries());
  blocks.threads.wait();
  if (blocks.threads.rank == 0)
    write_marginal_gradients(
        p, source.problem, [&](index_t r, index_t i) { return way_back.own_y(r, i); },
        [&](index_t r, index_t j) { return way_back.own_x(r, j); });
}
template <class Batch, class T>
void differentiate_in_lanes(derivative::implicit const& how, marginal_target<T> const& p,
                            cost_source<Batch> const& source,
                            gradient_scratch<T, derivative::implicit> const& all,
                            gradient_target<T> const& to) {
  fixed_point_in_lanes<Batch> const at{
      {source, source.problem.p.batch.of(to.matrix, source.problem.b)}, {source.problem, all.own}};
  at.begin();
  index_t const iterations = at.solve(how);
  at.end();
  if (source.blocks.threads.rank == 0) write_solution(p, at, iterations);
  finish(source, to, at.iterations, at.entries());
}
template <class Batch, class T>
void differentiate_in_lanes(derivative::plan_constant const&, marginal_target<T> const&,
                            cost_source<Batch> const& source,
                            gradient_scratch<T, derivative::plan_constant> const&,
                            gradient_target<T> const& to) {
  plan_entries<Batch> const plan{source, {}};
  finish(source, to, plan.iterations, plan.entries());
}
template <class Batch, class T>
void differentiate_in_lanes(derivative::envelope const&, marginal_target<T> const& p,
                            cost_source<Batch> const& source,
                            gradient_scratch<T, derivative::envelope> const&,
                            gradient_target<T> const& to) {
  plan_entries<Batch> const plan{source, {}};
  finish(source, to, plan.iterations, plan.entries());
  if (source.blocks.threads.rank == 0) write_envelope_gradients(p, source.problem);
}

template <class Batch, class T, class Derivative>
[[gnu::noinline]] void differentiate_all(Derivative const& how, marginal_target<T> const& p,
                                         any_sinkhorn<T> const& of,
                                         gradient_scratch<T, Derivative> const& all,
                                         matrix_view<T, host_memory> cost_rows,
                                         gradient_target<T> const& to) {
  auto const zero = [](index_t, index_t) { return T(0); };
  index_t const sweeps = Derivative::whole_history ? of.iterations : Derivative::solves ? 32 : 1;
  for_problems(of.batch, all.iterations.order, 4 * sweeps, [&](index_t b, team const& threads) {
    any_problem<T> const problem{of, b};
    if (problem.rows == 0 || problem.columns == 0) {
      if (threads.rank != 0) return;
      write_marginal_gradients(p, problem, zero, zero);
      if (!p.solution.residual.empty()) p.solution.residual(b) = T(0);
      if (!p.solution.iterations.empty()) p.solution.iterations(b) = 0;
      return;
    }
    row_blocks<Batch> const blocks(of.batch, b, all.iterations.blocks, threads);
    cost_source<Batch> const source{problem, blocks, cost_rows};
    differentiate_in_lanes(how, p, source, all, to);
  });
}

/// Scratch of a whole call.
template <class T, class Cost, class Derivative>
struct whole_gradient_scratch {
  packed_sinkhorn<T, Cost> packed;
  gradient_scratch<T, Derivative> own;
  cost_scratch<T, Cost> costs;
  [[gnu::noinline]] whole_gradient_scratch(sinkhorn<T, host_memory, Cost> const& p,
                                           arena<host_memory>& space)
      : packed(p, space),
        own(with_cost(p, any_cost<T>{}), space),
        costs(p.cost, p.batch, own.iterations.blocks.sums.rows, space) {}
  /// Writes to `to` what a gradient asks for.
  template <class Batch, class Gradient>
  void differentiate(Gradient const& p, gradient_target<T> const& to) const {
    differentiate_all<Batch, T>(
        p.how, {p.row_marginal_gradient, p.column_marginal_gradient, p.solution},
        with_cost(packed.of, costs.template any<Batch>(packed.of.cost)), own, costs.rows, to);
  }
};

template <class T, class Derivative>
struct matrix_gradient_scratch {
  whole_gradient_scratch<T, matrix_view<T const, host_memory>, Derivative> whole;
  packed_matrix<T> gradient;
  matrix_gradient_scratch(sinkhorn_gradient<T, host_memory, Derivative> const& p,
                          arena<host_memory>& space)
      : whole(p.of, space), gradient(p.cost_gradient, space) {}
};
template <class Arch, has_lanes T, class Derivative>
std::size_t scratch_size(device<Arch>, sinkhorn_gradient<T, host_memory, Derivative> const& p) {
  arena<host_memory> space;
  matrix_gradient_scratch<T, Derivative>(p, space);
  return space.bytes();
}
template <class Arch, has_lanes T, class Derivative>
status run(device<Arch>, sinkhorn_gradient<T, host_memory, Derivative> const& p,
           workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  matrix_gradient_scratch<T, Derivative> const all(p, space);
  all.whole.packed.load(), all.gradient.load();
  all.whole.template differentiate<lanes_of<T, Arch>>(p, {all.gradient.view()});
  all.gradient.store();
  return {};
}

template <class T, class Ground, class Derivative, storage Table>
struct table_gradient_scratch {
  using Cost = table_cost<T, host_memory, Ground, Table>;
  whole_gradient_scratch<T, Cost, Derivative> whole;
  matrix_view<T, host_memory> sums;  ///< of every tile: its tokens' gradient
  table_gradient_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : whole(p, space),
        sums(space.matrix<T>(whole.costs.tables.panels.rows, whole.costs.tables.panels.cols)) {}
};
template <class Arch, has_lanes T, class Ground, class Derivative, storage Table>
std::size_t scratch_size(
    device<Arch>, sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p) {
  arena<host_memory> space;
  table_gradient_scratch<T, Ground, Derivative, Table>(p.of, space);
  return space.bytes();
}
template <class Arch, has_lanes T, class Ground, class Derivative, storage Table>
status run(device<Arch>,
           sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  arena<host_memory> space(scratch);
  table_gradient_scratch<T, Ground, Derivative, Table> const all(p.of, space);
  all.whole.packed.load();
  all.whole.costs.prepare(p.of.cost);
  table_target<batch, T, Ground, Table> const to{p.of.cost.ground, all.whole.costs, all.sums,
                                                 p.student_gradient, p.weight};
  all.whole.template differentiate<batch>(p, to.target());
  for (index_t b = 0; b < p.of.batch.problems(); ++b)  // no teacher tokens: nothing comes back
    if (p.of.batch.row_count(b) == 0)
      for (index_t j = p.of.batch.column_offset(b); j < p.of.batch.column_offset(b + 1); ++j)
        for (index_t l = 0; l < p.student_gradient.cols; ++l) p.student_gradient(j, l) = T(0);
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
