#pragma once
#include "mlot/primitive/plan_rows.hpp"
#include "mlot/scalar/sinkhorn_problem.hpp"
namespace mlot::MLOT_SET::scalar {
/// Calls body(b, i, row) for every row token i of every problem b, in order. `memory` has room for
/// the longest row.
template <real T, class Cost, class Body>
void for_plan_rows(sinkhorn<T, host_memory, Cost> const& p, vector_view<T, host_memory> memory,
                   Body body) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    sinkhorn_problem<T, Cost> const problem{p, b};
    index_t const r = problem.done();
    for (index_t i = 0; i < problem.rows; ++i) {
      for (index_t j = 0; j < problem.columns; ++j)
        memory(j) = problem.entry(problem.u(r, i), problem.kernel(i, j), problem.v(r, j));
      body(b, problem.row_first + i,
           vector_view<T const, host_memory>{memory.data, problem.columns});
    }
  }
}

template <real T, class Cost, class Receive>
std::size_t scratch_size(device, plan_rows<T, host_memory, Cost, Receive> const& p) {
  arena<host_memory> space;
  space.vector<T>(p.of.batch.longest_row);
  return space.bytes();
}

template <real T, class Cost, class Receive>
status run(device, plan_rows<T, host_memory, Cost, Receive> const& p,
           workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  for_plan_rows(p.of, space.vector<T>(p.of.batch.longest_row), p.receive);
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
