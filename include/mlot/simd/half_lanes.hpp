#pragma once
#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

#include "mlot/core/scalar.hpp"
#if defined(__F16C__)
#  include <immintrin.h>
#endif
/// half and bfloat16 converted in registers, bit by bit as the scalar conversions do. xsimd has no
/// lanes of 16 bits that widen, so these are the compiler's own vectors (gcc, clang).
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
template <class Batch, class S>
concept has_half_lanes = std::same_as<typename Batch::value_type, float> &&
    (std::same_as<S, half> || std::same_as<S, bfloat16>);

namespace detail {
template <std::size_t Lanes>
struct lane_bits {
  typedef std::uint16_t narrow __attribute__((vector_size(2 * Lanes)));
  typedef std::uint32_t wide __attribute__((vector_size(4 * Lanes)));
  typedef float real __attribute__((vector_size(4 * Lanes)));
};
template <class To, class From>
inline To cast_bits(From const& x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}
/// b where the condition (all ones or zero) does not hold.
template <class Wide, class Condition>
inline Wide choose(Condition const& condition, Wide const& a, Wide const& b) {
  Wide const mask = cast_bits<Wide>(condition);
  return (a & mask) | (b & ~mask);
}

template <std::size_t Lanes>
inline auto value_bits(typename lane_bits<Lanes>::wide const& bits, bfloat16) {
  return bits << 16;
}
template <std::size_t Lanes>
inline auto value_bits(typename lane_bits<Lanes>::wide const& bits, half) {
  using wide = typename lane_bits<Lanes>::wide;
  using real = typename lane_bits<Lanes>::real;
  wide const sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
  wide const subnormal = cast_bits<wide>(real(cast_bits<real>(magnitude + 0x38800000u) - 0x1p-14f));
  wide const finite = choose(magnitude >= 0x00800000u, wide(magnitude + 0x38000000u), subnormal);
  return sign | choose(magnitude >= 0x0f800000u, wide(magnitude | 0x70000000u), finite);
}
template <std::size_t Lanes>
inline auto stored_bits(typename lane_bits<Lanes>::wide const& bits, bfloat16) {
  using wide = typename lane_bits<Lanes>::wide;
  wide const rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return choose((bits & 0x7fffffffu) > 0x7f800000u, wide((bits >> 16) | 0x40u), rounded);
}
template <std::size_t Lanes>
inline auto stored_bits(typename lane_bits<Lanes>::wide const& bits, half) {
  using wide = typename lane_bits<Lanes>::wide;
  using real = typename lane_bits<Lanes>::real;
  wide const sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  wide const subnormal = cast_bits<wide>(real(cast_bits<real>(magnitude) + 0.5f)) - 0x3f000000u;
  wide const normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  wide const finite = choose(magnitude < 0x38800000u, subnormal, normal);
  wide const capped = choose(magnitude >= 0x477ff000u, wide(magnitude * 0u + 0x7c00u), finite);
  return sign | choose(magnitude > 0x7f800000u, wide(magnitude * 0u + 0x7e00u), capped);
}
}  // namespace detail

/// Loads Batch::size stored values.
template <class Batch, class S>
inline Batch widen_lanes(S const* from) {
  constexpr std::size_t lanes = Batch::size;
#if defined(__F16C__)
  if constexpr (std::same_as<S, half> && lanes == 8)
    return Batch(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<__m128i const*>(from))));
#endif
#if defined(__AVX512F__)
  if constexpr (std::same_as<S, half> && lanes == 16)
    return Batch(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(from))));
#endif
  using bits = detail::lane_bits<lanes>;
  typename bits::narrow stored;
  std::memcpy(&stored, from, sizeof stored);
  auto const wide = __builtin_convertvector(stored, typename bits::wide);
  return Batch(
      detail::cast_bits<typename Batch::register_type>(detail::value_bits<lanes>(wide, S())));
}

/// Stores Batch::size values, rounded to nearest even.
template <class Batch, class S>
inline void narrow_lanes(S* to, Batch const& x) {
  constexpr std::size_t lanes = Batch::size;
#if defined(__AVX512F__)
  if constexpr (std::same_as<S, half> && lanes == 16)
    return _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(x, 0));
#endif
#if defined(__F16C__)
  if constexpr (std::same_as<S, half> && lanes == 8)
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(x, 0));
#endif
  using bits = detail::lane_bits<lanes>;
  typename Batch::register_type const values = x;
  auto const stored = __builtin_convertvector(
      detail::stored_bits<lanes>(detail::cast_bits<typename bits::wide>(values), S()),
      typename bits::narrow);
  std::memcpy(static_cast<void*>(to), &stored, sizeof stored);
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
