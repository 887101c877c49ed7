#pragma once
#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot::MLOT_SET {
/// Copies the entries that a ragged batch of problems uses into a matrix of another type; the rest
/// of `to` is not written.
template <real T, class Memory, real From = T>
struct problem_copy {
  using memory = Memory;
  problem_batch<Memory> batch{};
  matrix_view<From const, Memory> from{};  ///< (row tokens, >= longest_row)
  matrix_view<T, Memory> to{};             ///< (row tokens, >= longest_row) written

  constexpr status check() const {
    return requirement()
        .also(batch.check("problem_copy.batch"))
        .at_least("problem_copy.from", from, batch.rows, batch.longest_row,
                  "one row a row token, longest_row columns")
        .at_least("problem_copy.to", to, batch.rows, batch.longest_row,
                  "one row a row token, longest_row columns")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
