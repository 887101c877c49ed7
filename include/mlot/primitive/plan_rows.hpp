#pragma once
#include <concepts>

#include "mlot/primitive/sinkhorn.hpp"
namespace mlot::MLOT_SET {
/// The plan of a finished sinkhorn, a row at a time, for plans too large to keep: calls
///
///   receive(b, i, row),   row(j) = P(i, j) = u^R(i) K(i, j) v^R(j),   j < columns of problem b
///
/// once for every row token i (of the batch) and its problem b, in order, on the calling thread.
/// `row` lies in scratch memory: it is gone when receive returns. A problem without columns has
/// empty rows, a row without mass is 0, and so is P where C = +inf.
/// Scratch is some rows of P, and the student's table for a table_cost; no plan. The forward must
/// have answered ok.
/// Accuracy: the bits of the plan that the forward writes on the same device, in the absorbed
/// domain to the rounding of its exponents: tests/primitive/plan_rows_test.cpp. Same bits for any
/// number of threads.
template <real T, class Memory, class Cost, class Receive>
requires std::invocable<Receive const&, index_t, index_t, vector_view<T const, Memory>>
struct plan_rows {
  using memory = Memory;
  sinkhorn<T, Memory, Cost> of{};  ///< as in the forward; of its history the last row is enough
  Receive receive;

  constexpr status check() const {
    return of.inputs()
        .count(of.history.row_scaling.rows == 1 || of.history.row_scaling.rows == of.iterations,
               "plan_rows.of.history.row_scaling", of.history.row_scaling.rows, of.iterations,
               "rows", "1 row, or one an iteration")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
