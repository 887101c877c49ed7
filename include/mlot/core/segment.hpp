#pragma once
#include "mlot/core/view.hpp"
namespace mlot::MLOT_SET {
/// The segment that owns element i, where segment b is offset(b) .. offset(b + 1) - 1. Empty
/// segments own nothing.
template <class Memory>
MLOT_HOST_DEVICE constexpr index_t segment_of(vector_view<index_t const, Memory> const& offset,
                                              index_t i) {
  index_t low = 0, high = offset.size - 1;  // offset(low) <= i < offset(high)
  while (high - low > 1) {
    index_t const middle = low + (high - low) / 2;
    (offset(middle) <= i ? low : high) = middle;
  }
  return low;
}
}  // namespace mlot::MLOT_SET
