#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Sums over the segments of a vector, in a fixed order:
///
///   out(b) = sum_(offset(b) <= i < offset(b + 1)) x(i)
///
/// Accuracy: (count + 1) roundings relative to sum |x|, 2 where the
/// sum is wide: tests/primitive/token_problems_test.cpp.
template <real T, class Memory>
struct segment_sums {
  using memory = Memory;
  vector_view<T const, Memory> x{};             ///< (tokens)
  vector_view<index_t const, Memory> offset{};  ///< (B + 1) from 0 to tokens, never falling
  vector_view<T, Memory> out{};                 ///< (B) written

  constexpr index_t segments() const { return offset.size > 0 ? offset.size - 1 : 0; }
  constexpr status check() const {
    return requirement()
        .vector("segment_sums.x", x, x.size, "one element a token")
        .vector("segment_sums.offset", offset, offset.size, "segments + 1 elements")
        .offsets("segment_sums.offset", offset, x.size)
        .vector("segment_sums.out", out, segments(), "one element a segment")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
