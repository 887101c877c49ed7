#pragma once
#include "mlot/scalar/plan_rows.hpp"
#include "mlot/simd/sinkhorn.hpp"
namespace mlot::on {
/// Row i of block k of P, by the operations with which the iterations write it: the same bits.
template <class Batch, class Cost, class T>
void write_plan_row(cost_source<Batch, Cost> const& source, index_t k, index_t i, T* to) {
  auto const& problem = source.problem;
  auto const costs = source.rows(k, i);
  index_t const r = problem.done();
  T const* const v = &problem.v(r, 0);
  Batch const u(problem.u(r, i));
  if (problem.logarithmic)
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const log_v = load_lanes<Batch>(v + j, which, -infinity<T>);
      Batch const exponent = costs.exponent(i, j, which, u) + log_v;
      store_lanes(to + j, exponential(exponent), which);
    });
  else
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const mass = u * costs.kernel(i, j, which) * load_lanes<Batch>(v + j, which);
      store_lanes(to + j, mass, which);
    });
}

/// Calls body(i, row) for the rows of block k, in order; `row` is the block's own memory.
template <class Batch, class Cost, class Body>
void for_plan_rows(cost_source<Batch, Cost> const& source, index_t k, Body body) {
  using T = typename Batch::value_type;
  index_t const columns = source.problem.columns;
  T* const row = source.blocks.row(k);
  for (index_t i = source.blocks.begin(k); i < source.blocks.end(k); ++i) {
    if (columns > 0) write_plan_row(source, k, i, row);
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
