#pragma once
#include "mlot/scalar/plan_rows.hpp"
#include "mlot/simd/sinkhorn.hpp"
#include "mlot/simd/sinkhorn_fixed_point.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_problem;
using scalar::with_cost;

/// Calls body(i, row) for the rows of block k, in order; `row` is the block's own memory. P is made
/// by the operations with which the iterations write it: the same bits.
template <class Batch>
[[gnu::noinline]] void for_plan_rows(
    cost_source<Batch> const& source, index_t k,
    function_ref<void(index_t, vector_view<typename Batch::value_type const, host_memory>)> body) {
  using T = typename Batch::value_type;
  index_t const columns = source.problem.columns;
  T* const row = source.blocks.row(k);
  for (index_t i = source.blocks.begin(k); i < source.blocks.end(k); ++i) {
    if (columns > 0)
      plan_entries<Batch>{source, {}}.write_row(source.rows(k, i), i, 0, columns, row);
    body(i, vector_view<T const, host_memory>{row, columns});
  }
}

/// A row of P, and rows of C that are computed.
template <class T, class Cost>
struct plan_rows_scratch {
  packed_sinkhorn<T, Cost> packed;
  block_scratch<T> block;
  cost_scratch<T, Cost> costs;
  plan_rows_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : packed(p, space), block(p.batch.longest_row, space), costs(p.cost, p.batch, 1, space) {}
};

template <class Arch, has_lanes T, class Cost, class Receive>
std::size_t scratch_size(device<Arch>, plan_rows<T, host_memory, Cost, Receive> const& p) {
  arena<host_memory> space;
  plan_rows_scratch<T, Cost>(p.of, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Cost, class Receive>
status run(device<Arch>, plan_rows<T, host_memory, Cost, Receive> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  arena<host_memory> space(scratch);
  plan_rows_scratch<T, Cost> const all(p.of, space);
  all.packed.load();
  all.costs.prepare(p.of.cost);
  auto const of = with_cost(all.packed.of, all.costs.template any<batch>(all.packed.of.cost));
  for (index_t b = 0; b < p.of.batch.problems(); ++b) {
    any_problem<T> const problem{of, b};
    auto const block = row_blocks<batch>::whole(p.of.batch, b, all.block);
    cost_source<batch> const source{problem, block, all.costs.rows};
    for_plan_rows(source, 0, [&](index_t i, vector_view<T const, host_memory> row) {
      p.receive(b, problem.row_first + i, row);
    });
  }
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
