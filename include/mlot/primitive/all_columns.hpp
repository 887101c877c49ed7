#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Every id of a vocabulary as a column, where columns of both models mean the same:
///
///   ids(b, l) = l;   -1 where l >= vocabulary
template <class Memory>
struct all_columns {
  using memory = Memory;
  index_t vocabulary = 0;              ///< at least 0
  matrix_view<index_t, Memory> ids{};  ///< (B, K) written

  constexpr status check() const {
    return requirement()
        .at_least("all_columns.vocabulary", vocabulary, 0, "at least 0")
        .usable("all_columns.ids", ids)
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
