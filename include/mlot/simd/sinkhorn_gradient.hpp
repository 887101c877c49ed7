#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn_gradient.hpp"
#include "mlot/simd/sinkhorn.hpp"
#include "mlot/simd/sinkhorn_adjoints.hpp"
#include "mlot/simd/sinkhorn_fixed_point.hpp"
/// The unrolled gradient takes one sweep an iteration. Where the cost is a matrix, the last sweep
/// and the pass that writes dSD/dC are one: a row is finished while it is in cache. Where it is
/// computed, dSD/dC is made tile by tile and goes into the student's gradient at once.
namespace mlot::on {
/// The recursion of one problem, with the threads of its blocks, down to x^1.
template <class Adjoints>
void recur(Adjoints const& way_back, typename Adjoints::T* initial) {
  using T = typename Adjoints::T;
  using Batch = decltype(way_back.source.rate);
  auto const& blocks = way_back.blocks;
  auto const& problem = way_back.problem;
  index_t const iterations = way_back.iterations;
  if (blocks.threads.rank == 0)
    for (index_t j = 0; j < problem.columns; ++j) initial[j] = problem.v_before(1, j);
  auto const write_x = [&](index_t r, index_t j, auto which, Batch const& beta) {
    store_lanes(way_back.x(r) + j, way_back.column_adjoint(r, j, which, beta), which);
  };

  // alpha = (P o C) 1, beta = (P o C)^T 1
  blocks.for_mine(0, [&](index_t k) {
    T* const out = blocks.sums(k);
    std::fill_n(out, problem.columns, T(0));
    way_back.clear_mass(k);
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      way_back.begin_row(k, i);
      auto const costs = way_back.source.rows(k, i);
      Batch moved(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const mass = way_back.mass(costs, i, j, which);
        way_back.add_mass(k, j, which, mass);
        Batch const p = where_mass(mass, Batch(mass * costs.cost(i, j, which)));
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
}

/// What the rows still lack, and dSD/dC into its matrix.
template <class Derivative, class Adjoints>
void finish(sinkhorn_gradient<typename Adjoints::T, host_memory, Derivative> const&,
            Adjoints const& way_back, matrix_view<typename Adjoints::T, host_memory>) {
  using Batch = decltype(way_back.source.rate);
  auto const& blocks = way_back.blocks;
  blocks.for_mine(way_back.iterations, [&](index_t k) {
    for_row_groups(blocks.begin(k), blocks.end(k),
                   [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                     way_back.template last_row_adjoints<Rows>(k, i);
                     auto const costs = way_back.source.rows(k, i);
                     for_lanes<Batch>(way_back.problem.columns, [&](index_t j, auto which) {
                       Batch out[Rows];
                       way_back.template entries<Rows>(costs, i, j, which, out);
                       for (index_t n = 0; n < Rows; ++n)
                         store_lanes(&way_back.gradient(i + n, j), out[n], which);
                     });
                   });
  });
}

/// The student's gradient, a tile of its tokens at a time: some rows of C at the tile are computed,
/// become dSD/dC in place, and are added to the tile's gradient.
template <class Ground, class Derivative, class Adjoints, storage Table>
void finish(
    sinkhorn_table_gradient<typename Adjoints::T, host_memory, Ground, Derivative, Table> const& p,
    Adjoints const& way_back, matrix_view<typename Adjoints::T, host_memory> sums) {
  using T = typename Adjoints::T;
  using Batch = decltype(way_back.source.rate);
  using tile = cost_gradient_tile<Batch, Ground>;
  auto const& blocks = way_back.blocks;
  auto const& problem = way_back.problem;
  auto const& source = way_back.source;
  index_t const tiles = (problem.columns + tile::most - 1) / tile::most;
  for (index_t n = blocks.threads.share(tiles); n < blocks.threads.share_end(tiles); ++n) {
    index_t const first = n * tile::most, width = std::min(tile::most, problem.columns - first);
    T* const panel = source.panel(n);
    tile const own{source.ground, source.teacher, panel, width,
                   sums.data + (panel - source.tables.panels.data)};
    own.clear();
    alignas(64) T rows[tile::rows * tile::most];
    for (index_t begin = 0; begin < problem.rows; begin += tile::rows) {
      index_t const end = std::min(begin + tile::rows, problem.rows);
      cost_rows<Batch> const costs{rows, tile::most, begin, first, way_back.source.rate};
      for_row_groups(begin, end,
                     [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                       T* const out = rows + (i - begin) * tile::most;
                       write_costs<Batch, Rows>(source.ground, source.teacher, panel,
                                                problem.row_first + i, width, out, tile::most);
                       for_lanes<Batch>(width, [&](index_t at, auto which) {
                         Batch entries[Rows];
                         way_back.template entries<Rows>(costs, i, first + at, which, entries);
                         for (index_t r = 0; r < Rows; ++r)
                           store_lanes(out + r * tile::most + at, entries[r], which);
                       });
                     });
      own.add(problem.row_first + begin, problem.row_first + end,
              [&](index_t row, index_t at, auto which) {
                return costs.cost(row - problem.row_first, first + at, which);
              });
    }
    own.write(p.student_gradient, problem.column_first + first, p.weight(problem.b));
  }
}

/// Everything that a gradient needs beside its outputs.
template <class Batch, class Cost, class Derivative>
struct gradient_scratch {
  using T = typename Batch::value_type;
  iteration_scratch<T, Cost> iterations;
  std::conditional_t<Derivative::whole_history, adjoint_scratch<T>,
                     derivative_scratch<T, Derivative>>
      own;
  matrix_view<T, host_memory> masses{};  ///< of the blocks' columns, for the unrolled gradient
  matrix_view<T, host_memory> sums{};    ///< of the tiles, where the cost is computed
  gradient_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : iterations(p, space), own(p, space) {
    if constexpr (Derivative::whole_history)
      masses = space.matrix<T>(iterations.blocks.sums.rows, p.batch.longest_row);
    if constexpr (cost_source<Batch, Cost>::computed) {
      auto const& panels = iterations.costs.tables.panels;
      sums = space.matrix<T>(panels.rows, panels.cols);
    }
  }
};

/// The derivative that p asks for, of one problem, with the threads of its blocks.
template <bool Logarithmic, class Gradient, class Batch, class Cost>
void differentiate_in_lanes(Gradient const& p, cost_source<Batch, Cost> const& source,
                            gradient_scratch<Batch, Cost, derivative::unrolled> const& all,
                            matrix_view<typename Batch::value_type, host_memory> gradient) {
  using adjoints_of = std::conditional_t<Logarithmic, logarithmic_adjoints<Batch, Cost>,
                                         scaling_adjoints<Batch, Cost>>;
  auto const& blocks = source.blocks;
  auto* const initial = &all.iterations.initial(source.problem.column_first);
  adjoints_of const way_back{{source, gradient, all.own, all.masses, initial}};
  recur(way_back, initial);
  if constexpr (cost_source<Batch, Cost>::computed) {  // y^1, which a matrix gets with its entries
    blocks.for_mine(way_back.iterations, [&](index_t k) { way_back.sweep_block(1, k); });
    blocks.threads.wait();
  }
  finish(p, way_back, all.sums);
  blocks.threads.wait();
  if (blocks.threads.rank == 0)
    write_marginal_gradients(
        p, source.problem, [&](index_t r, index_t i) { return way_back.own_y(r, i); },
        [&](index_t r, index_t j) { return way_back.own_x(r, j); });
}
template <bool Logarithmic, class Gradient, class Batch, class Cost>
void differentiate_in_lanes(Gradient const& p, cost_source<Batch, Cost> const& source,
                            gradient_scratch<Batch, Cost, derivative::implicit> const& all,
                            matrix_view<typename Batch::value_type, host_memory> gradient) {
  fixed_point_in_lanes<Batch, Cost, Logarithmic> const at{{source, gradient},
                                                          {source.problem, all.own}};
  at.begin();
  index_t const iterations = at.solve(p.how);
  at.end();
  if (source.blocks.threads.rank == 0) write_solution(p, at, iterations);
  finish(p, at, all.sums);
}
template <bool Logarithmic, class Gradient, class Batch, class Cost>
void differentiate_in_lanes(Gradient const& p, cost_source<Batch, Cost> const& source,
                            gradient_scratch<Batch, Cost, derivative::plan_constant> const& all,
                            matrix_view<typename Batch::value_type, host_memory> gradient) {
  finish(p, plan_entries<Batch, Cost, Logarithmic>{source, gradient}, all.sums);
}
template <bool Logarithmic, class Gradient, class Batch, class Cost>
void differentiate_in_lanes(Gradient const& p, cost_source<Batch, Cost> const& source,
                            gradient_scratch<Batch, Cost, derivative::envelope> const& all,
                            matrix_view<typename Batch::value_type, host_memory> gradient) {
  finish(p, plan_entries<Batch, Cost, Logarithmic>{source, gradient}, all.sums);
  if (source.blocks.threads.rank == 0) write_envelope_gradients(p, source.problem);
}

/// `gradient_of(b)` is the matrix dSD/dC of problem b, where there is one.
template <class Batch, class Gradient, class Cost, class Derivative, class GradientOf>
void differentiate_all(Gradient const& p,
                       sinkhorn<typename Batch::value_type, host_memory, Cost> const& of,
                       gradient_scratch<Batch, Cost, Derivative> const& all,
                       GradientOf gradient_of) {
  using T = typename Batch::value_type;
  auto const zero = [](index_t, index_t) { return T(0); };
  all.iterations.costs.prepare(of.cost);
  index_t const sweeps = Derivative::whole_history ? of.iterations : Derivative::solves ? 32 : 1;
  for_problems(of.batch, all.iterations.order, 4 * sweeps, [&](index_t b, team const& threads) {
    sinkhorn_problem<T, Cost> const problem{of, b};
    if (problem.rows == 0 || problem.columns == 0) {
      if (threads.rank != 0) return;
      write_marginal_gradients(p, problem, zero, zero);
      if (!p.solution.residual.empty()) p.solution.residual(b) = T(0);
      if (!p.solution.iterations.empty()) p.solution.iterations(b) = 0;
      return;
    }
    row_blocks<Batch> const blocks(of.batch, b, all.iterations.blocks, threads);
    cost_source<Batch, Cost> const source{problem, blocks, all.iterations.costs};
    if (problem.logarithmic)
      differentiate_in_lanes<true>(p, source, all, gradient_of(b));
    else
      differentiate_in_lanes<false>(p, source, all, gradient_of(b));
  });
}

template <class Arch, has_lanes T, class Derivative>
std::size_t scratch_size(simd<Arch>, sinkhorn_gradient<T, host_memory, Derivative> const& p) {
  arena<host_memory> space;
  gradient_scratch<lanes_of<T, Arch>, matrix_view<T const, host_memory>, Derivative>(p.of, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Derivative>
status run(simd<Arch>, sinkhorn_gradient<T, host_memory, Derivative> const& p,
           workspace<host_memory> scratch) {
  if (!contiguous(p.of) || p.cost_gradient.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  gradient_scratch<lanes_of<T, Arch>, matrix_view<T const, host_memory>, Derivative> const all(
      p.of, space);
  differentiate_all(p, p.of, all, [&](index_t b) { return p.of.batch.of(p.cost_gradient, b); });
  return {};
}

template <class Arch, has_lanes T, class Ground, class Derivative, storage Table>
std::size_t scratch_size(
    simd<Arch>, sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p) {
  arena<host_memory> space;
  gradient_scratch<lanes_of<T, Arch>, table_cost<T, host_memory, Ground, Table>, Derivative>(p.of,
                                                                                             space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Ground, class Derivative, storage Table>
status run(simd<Arch>, sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p,
           workspace<host_memory> scratch) {
  if (!contiguous(p.of)) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  gradient_scratch<lanes_of<T, Arch>, table_cost<T, host_memory, Ground, Table>, Derivative> const
      all(p.of, space);
  differentiate_all(p, p.of, all, [](index_t) { return matrix_view<T, host_memory>(); });
  for (index_t b = 0; b < p.of.batch.problems(); ++b)  // no teacher tokens: nothing comes back
    if (p.of.batch.row_count(b) == 0)
      for (index_t j = p.of.batch.column_offset(b); j < p.of.batch.column_offset(b + 1); ++j)
        for (index_t l = 0; l < p.student_gradient.cols; ++l) p.student_gradient(j, l) = T(0);
  return {};
}
}  // namespace mlot::on
