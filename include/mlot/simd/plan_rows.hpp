#pragma once
#include "mlot/scalar/plan_rows.hpp"
#include "mlot/simd/sinkhorn.hpp"
#include "mlot/simd/sinkhorn_fixed_point.hpp"
namespace mlot::on {
/// Row i of block k of P, by the operations with which the iterations write it: the same bits.
template <bool Logarithmic, class Batch, class Cost, class T>
void write_plan_row(cost_source<Batch, Cost> const& source, index_t k, index_t i, T* to) {
  plan_entries<Batch, Cost, Logarithmic> const plan{source, {}};
  auto const costs = source.rows(k, i);
  for_lanes<Batch>(source.problem.columns, [&](index_t j, auto which) {
    store_lanes(to + j, plan.mass(costs, i, j, which), which);
  });
}

/// Calls body(i, row) for the rows of block k, in order; `row` is the block's own memory.
template <class Batch, class Cost, class Body>
void for_plan_rows(cost_source<Batch, Cost> const& source, index_t k, Body body) {
  using T = typename Batch::value_type;
  index_t const columns = source.problem.columns;
  T* const row = source.blocks.row(k);
  for (index_t i = source.blocks.begin(k); i < source.blocks.end(k); ++i) {
    if (columns > 0 && source.problem.logarithmic)
      write_plan_row<true>(source, k, i, row);
    else if (columns > 0)
      write_plan_row<false>(source, k, i, row);
    body(i, vector_view<T const, host_memory>{row, columns});
  }
}

/// A row of P, and rows of C that are computed.
template <class T, class Cost>
struct plan_rows_scratch {
  block_scratch<T> block;
  cost_scratch<T, Cost> costs;
  plan_rows_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : block(p.batch.longest_row, space), costs(p.cost, p.batch, 1, space) {}
};

template <class Arch, has_lanes T, class Cost, class Receive>
std::size_t scratch_size(simd<Arch>, plan_rows<T, host_memory, Cost, Receive> const& p) {
  arena<host_memory> space;
  plan_rows_scratch<T, Cost>(p.of, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Cost, class Receive>
status run(simd<Arch>, plan_rows<T, host_memory, Cost, Receive> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous(p.of)) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  plan_rows_scratch<T, Cost> const all(p.of, space);
  all.costs.prepare(p.of.cost);
  for (index_t b = 0; b < p.of.batch.problems(); ++b) {
    sinkhorn_problem<T, Cost> const problem{p.of, b};
    auto const block = row_blocks<batch>::whole(p.of.batch, b, all.block);
    cost_source<batch, Cost> const source{problem, block, all.costs};
    for_plan_rows(source, 0, [&](index_t i, vector_view<T const, host_memory> row) {
      p.receive(b, problem.row_first + i, row);
    });
  }
  return {};
}
}  // namespace mlot::on
