#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "mlot/core/macros.hpp"
/// What a number may be. Two kinds: `real` types compute; `storage` types can also be just stored.
namespace mlot::MLOT_SET {
namespace detail {
/// std::bit_cast, which CUDA does not let device code call.
template <class To, class From>
MLOT_HOST_DEVICE constexpr To bits_as(From const& x) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, x);
}
/// Rounds a float to the upper `16` bits pattern of bfloat16, to nearest even; NaN stays NaN.
MLOT_HOST_DEVICE constexpr std::uint16_t bfloat16_bits(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800  // one instruction there
  std::uint16_t rounded_by_card;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded_by_card) : "f"(x));
  return rounded_by_card;
#endif
  auto const bits = bits_as<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
MLOT_HOST_DEVICE constexpr float bfloat16_value(std::uint16_t bits) {
  return bits_as<float>(static_cast<std::uint32_t>(bits) << 16);
}
/// Rounds to IEEE binary16, to nearest even, subnormals included; overflow gives infinity.
MLOT_HOST_DEVICE constexpr std::uint16_t half_bits(float x) {
#if defined(__CUDA_ARCH__)  // one instruction there
  std::uint16_t rounded_by_card;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(rounded_by_card) : "f"(x));
  return rounded_by_card;
#endif
  auto const bits = bits_as<std::uint32_t>(x);
  std::uint32_t const sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // >= 65520
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 lines the subnormal's unit up with ulp
    float const shifted = bits_as<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (bits_as<std::uint32_t>(shifted) - 0x3f000000u));
  }
  std::uint32_t const rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}
MLOT_HOST_DEVICE constexpr float half_value(std::uint16_t bits) {
#if defined(__CUDA_ARCH__)
  float widened_by_card;
  asm("cvt.f32.f16 %0, %1;" : "=f"(widened_by_card) : "h"(bits));
  return widened_by_card;
#endif
  std::uint32_t const sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
  if (magnitude >= 0x0f800000u) return bits_as<float>(sign | magnitude | 0x70000000u);
  if (magnitude >= 0x00800000u) return bits_as<float>(sign | (magnitude + 0x38000000u));
  float const subnormal = bits_as<float>(magnitude + 0x38800000u) - 0x1p-14f;
  return bits_as<float>(sign | bits_as<std::uint32_t>(subnormal));
}
}  // namespace detail

/// IEEE binary16 and bfloat16 as stored bits: layout-compatible with Eigen's, CUDA's and torch's.
/// They convert to and from float exactly as hardware does; all arithmetic happens in float.
struct half {
  std::uint16_t bits = 0;
  constexpr half() = default;
  MLOT_HOST_DEVICE constexpr explicit half(float x) : bits(detail::half_bits(x)) {}
  MLOT_HOST_DEVICE constexpr explicit operator float() const { return detail::half_value(bits); }
};
struct bfloat16 {
  std::uint16_t bits = 0;
  constexpr bfloat16() = default;
  MLOT_HOST_DEVICE constexpr explicit bfloat16(float x) : bits(detail::bfloat16_bits(x)) {}
  MLOT_HOST_DEVICE constexpr explicit operator float() const {
    return detail::bfloat16_value(bits);
  }
};
static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2);
static_assert(std::is_trivially_copyable_v<half> && std::is_trivially_copyable_v<bfloat16>);

/// What mlot needs to know of a number type. Specialise it for a type of your own that computes
/// (a dual number, an interval), by deriving from arithmetic_scalar:
///
///     template <> struct mlot::scalar_traits<my_dual> : mlot::arithmetic_scalar<my_dual> {
///       static double value(my_dual const& x) { return x.value(); }
///     };
template <class T>
struct scalar_traits {
  static constexpr bool computes = false, stores = false;
};
/// `Wide` is what the scalar device sums in.
template <class T, class Wide = T>
struct arithmetic_scalar {
  static constexpr bool computes = true, stores = true;
  using accumulator = T;
  using wide = Wide;
  static constexpr double value(T const& x) { return static_cast<double>(x); }
};
template <>
struct scalar_traits<float> : arithmetic_scalar<float, double> {};
template <>
struct scalar_traits<double> : arithmetic_scalar<double> {};
template <>
struct scalar_traits<long double> : arithmetic_scalar<long double> {};
template <>
struct scalar_traits<half> {
  static constexpr bool computes = false, stores = true;
  using accumulator = float;
};
template <>
struct scalar_traits<bfloat16> : scalar_traits<half> {};

/// A type that computes: float, double, long double, or a user's own with scalar_traits.
template <class T>
concept real = scalar_traits<std::remove_const_t<T>>::computes;
/// A type that logits and gradients may be stored in: every real, half and bfloat16.
template <class T>
concept storage = scalar_traits<std::remove_const_t<T>>::stores;

/// The type in which values stored as S are computed with: float for half and bfloat16.
template <storage S>
using accumulator_t = typename scalar_traits<std::remove_const_t<S>>::accumulator;
/// The type in which the scalar device sums values of T.
template <real T>
using wide_t = typename scalar_traits<std::remove_const_t<T>>::wide;

template <real T>
inline constexpr double as_double(T const& x) {
  return scalar_traits<T>::value(x);
}
/// Loads a stored value into arithmetic type T (float first where S is half or bfloat16).
template <real T, storage S>
MLOT_HOST_DEVICE constexpr T load_as(S const& x) {
  if constexpr (real<S>)
    return static_cast<T>(x);
  else
    return static_cast<T>(static_cast<float>(x));
}
template <storage S, real T>
MLOT_HOST_DEVICE constexpr S store_as(T const& x) {
  if constexpr (real<S>)
    return static_cast<S>(x);
  else
    return S(static_cast<float>(x));
}

template <real T>
inline constexpr T infinity = std::numeric_limits<T>::infinity();
template <real T>
requires(!std::floating_point<T>)  // a user's own type need not be a literal one
    inline T const infinity<T> = std::numeric_limits<T>::infinity();

/// -1, 0 or 1, the subgradient of |x| used everywhere: sign(0) = 0.
template <real T>
MLOT_HOST_DEVICE constexpr T sign(T const& x) {
  return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);
}
}  // namespace mlot::MLOT_SET
