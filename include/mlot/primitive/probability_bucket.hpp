#pragma once
#include <cstdint>
#include <type_traits>

#include "mlot/core/scalar.hpp"
namespace mlot::MLOT_SET {
/// Probabilities in buckets, 32 an octave: the larger, the earlier. The last one is for what counts
/// as 0. For T float or double.
template <class T>
struct probability_bucket {
  using bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  static constexpr int shift = sizeof(T) == 4 ? 23 - 5 : 52 - 5;
  static constexpr bits key_of_one = detail::bits_as<bits>(T(1)) >> shift;
  static constexpr bits last = 127 * 32, count = last + 1;
  static constexpr T least = T(0x1p-126);  ///< what is below counts as 0
  /// Of 0, or a probability from `least` to 1.
  MLOT_HOST_DEVICE static bits of(T p) {
    bits const n = key_of_one - (detail::bits_as<bits>(p) >> shift);
    return n < last ? n : last;
  }
};
}  // namespace mlot::MLOT_SET
