#pragma once
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
/// Tiles of at most `size` elements, each of one segment, counted without a look at the offsets
/// (which lie on the device): segment b has those from offset(b) / size + b on, which is enough
/// whatever its length; some may be left without elements.
template <class Memory>
struct segment_tiles {
  struct tile {
    index_t segment, first, count;  ///< elements first .. first + count - 1; none: count <= 0
  };
  vector_view<index_t const, Memory> offset;
  index_t size;

  index_t count(index_t elements) const {
    return offset.size < 2 ? 0 : elements / size + offset.size - 1;
  }
  MLOT_DEVICE tile operator()(index_t n) const {
    index_t low = 0, high = offset.size - 1;
    while (high - low > 1) {
      index_t const middle = low + (high - low) / 2;
      (first_of(middle) <= n ? low : high) = middle;
    }
    index_t const first = offset(low) + (n - first_of(low)) * size;
    return {low, first, least(size, offset(low + 1) - first)};
  }

 private:
  MLOT_DEVICE index_t first_of(index_t b) const { return offset(b) / size + b; }
};
}  // namespace mlot::MLOT_SET::simt
