#pragma once
#include "mlot/scalar/barycentric_projection.hpp"
#include "mlot/simd/plan_rows.hpp"
/// A row of P is made once, and then meets the points' columns, which lie turned: lanes run over
/// column tokens, and four columns share the loads of P. Rows do not meet, so neither do threads.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_problem;
using scalar::check_points;
using scalar::with_cost;

template <class T, class Cost>
struct projection_scratch {
  packed_sinkhorn<T, Cost> packed;
  block_scratch<T> blocks;
  cost_scratch<T, Cost> costs;
  matrix_view<T, host_memory> turned;  ///< (D, column tokens) the points
  vector_view<index_t, host_memory> order;
  projection_scratch(barycentric_projection<T, host_memory, Cost> const& p,
                     arena<host_memory>& space)
      : packed(p.of, space),
        blocks(p.of.batch, space),
        costs(p.of.cost, p.of.batch, blocks.sums.rows, space),
        turned(space.matrix<T>(p.points.cols, p.points.rows)),
        order(space.vector<index_t>(p.of.batch.problems())) {}
};

/// Writes a table (rows, D) as (D, rows).
template <real T>
void turn(matrix_view<T const, host_memory> from, matrix_view<T, host_memory> to) {
  constexpr index_t tile = 16;  // rows of one cache line of the turned table
  parallel_for((from.rows + tile - 1) / tile, 8, from.rows * from.cols, [&](index_t block) {
    index_t const end = (std::min)(from.rows, (block + 1) * tile);
    for (index_t l = 0; l < from.cols; ++l)
      for (index_t j = block * tile; j < end; ++j) to(l, j) = from(j, l);
  });
}

/// One row of the projection, where `points` begins with the problem's own.
template <class Batch, class T>
void project_row(vector_view<T const, host_memory> row, matrix_view<T, host_memory> points,
                 vector_view<T, host_memory> out) {
  Batch masses(T(0));
  for_lanes<Batch>(
      row.size, [&](index_t j, auto which) { masses += load_lanes<Batch>(row.data + j, which); });
  T const mass = lane_sum(masses);
  for_row_groups(
      0, out.size, [&]<index_t Columns>(index_t l, std::integral_constant<index_t, Columns>) {
        Batch dot[Columns];
        for (auto& d : dot) d = Batch(T(0));
        for_lanes<Batch>(row.size, [&](index_t j, auto which) {
          Batch const weight = load_lanes<Batch>(row.data + j, which);
          for (index_t c = 0; c < Columns; ++c)
            dot[c] = multiply_add(load_lanes<Batch>(&points(l + c, j), which), weight, dot[c]);
        });
        for (index_t c = 0; c < Columns; ++c) out(l + c) = share_of(lane_sum(dot[c]), mass);
      });
}

template <class Arch, has_lanes T, class Cost>
std::size_t scratch_size(device<Arch>, barycentric_projection<T, host_memory, Cost> const& p) {
  arena<host_memory> space;
  projection_scratch<T, Cost>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Cost>
status run(device<Arch>, barycentric_projection<T, host_memory, Cost> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (status const s = check_points<T>(p.points); !s.ok()) return s;
  arena<host_memory> space(scratch);
  projection_scratch<T, Cost> const all(p, space);
  all.packed.load();
  all.costs.prepare(p.of.cost);
  auto const of = with_cost(all.packed.of, all.costs.template any<batch>(all.packed.of.cost));
  turn<T>(p.points, all.turned);
  for_problems(p.of.batch, all.order, 1 + p.points.cols, [&](index_t b, team const& threads) {
    row_blocks<batch> const blocks(p.of.batch, b, all.blocks, threads);
    any_problem<T> const problem{of, b};
    cost_source<batch> const source{problem, blocks, all.costs.rows};
    auto points = all.turned;
    points.data = points.at(problem.column_first);
    blocks.for_mine(0, [&](index_t k) {
      for_plan_rows(source, k, [&](index_t i, vector_view<T const, host_memory> row) {
        project_row<batch>(row, points, p.out.row(problem.row_first + i));
      });
    });
  });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
