#pragma once
#include <cstdint>
#include <limits>

#include "mlot/divergence/probability_pair.hpp"
#include "mlot/simd/lanes.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// log x for finite normal x > 0. In float within 2e-7 of the result, however near 0 it is, in a
/// third of the instructions of xsimd's; in double within one unit in the last place.
/// tests/simd/logarithm_test.cpp asserts both. Multiplications are named, so that all copies of a
/// loop give the same bits.
///
/// x = 2^n (1 + f) with 1 + f from sqrt(1/2) to sqrt(2), and log x = n ln 2 + log(1 + f). In float
/// log(1 + f) = f - f^2 / 2 + f^3 P(f); in double, with s = f / (2 + f), it is 2 atanh s, summed as
/// f - (f^2 / 2 - s (f^2 / 2 + s^2 R(s^2))), as FDLIBM does. P and R are minimax in the relative
/// error (Remez): 2e-8 and 2e-18.
template <class Batch>
inline Batch logarithm(Batch const& x) {
  if constexpr (std::same_as<typename Batch::value_type, float>) {
    using integers = xsimd::batch<std::int32_t, typename Batch::arch_type>;
    integers const bits = bits_as<std::int32_t>(x);
    integers const n = (bits - integers(0x3f3504f3)) >> 23;
    Batch const f = bits_as<float>(bits - (n << 23)) - Batch(1.0f);
    Batch p(-0x1.43b246p-4f);
    for (float const c : {0x1.02814ep-3f, -0x1.0a33eap-3f, 0x1.231ce6p-3f, -0x1.54d03ep-3f,
                          0x1.999f14p-3f, -0x1.0000cep-2f, 0x1.555554p-2f})
      p = multiply_add(p, f, Batch(c));
    p = multiply_add(product(f, f), multiply_add(p, f, Batch(-0.5f)), f);
    return multiply_add(Batch(xsimd::to_float(n)), Batch(0.693147182f), p);
  } else {
    // The bits of 1 - sqrt(1/2) make the exponent's n + 1023; those of 2^52 make a number of it.
    using integers = xsimd::batch<std::uint64_t, typename Batch::arch_type>;
    integers const root(0x3fe6a09e667f3bcd), mantissa(0x000fffffffffffff);
    integers const bits = bits_as<std::uint64_t>(x) + (integers(0x3ff0000000000000) - root);
    Batch const n =
        bits_as<double>((bits >> 52) | integers(0x4330000000000000)) - Batch(0x1p52 + 1023);
    Batch const f = bits_as<double>((bits & mantissa) + root) - Batch(1.0);
    Batch const s = f / (f + Batch(2.0)), z = product(s, s);
    Batch r(0x1.2f03b6cb93843p-3);
    for (double const c : {0x1.39a1e7dd4ba40p-3, 0x1.74663d0d07175p-3, 0x1.c71c5212f92f3p-3,
                           0x1.24924941e495ap-2, 0x1.999999997fea9p-2, 0x1.5555555555592p-1})
      r = multiply_add(r, z, Batch(c));
    Batch const half_square = product(f, product(f, Batch(0.5)));
    // The upper part of ln 2 has 42 bits: its product with n is exact.
    Batch const low =
        multiply_add(s, multiply_add(z, r, half_square), product(n, Batch(0x1.ef35793c7673p-45)));
    return multiply_add(n, Batch(0x1.62e42fefa38p-1), Batch(f - (half_square - low)));
  }
}

/// log x for every x, as accurate: -inf of 0, inf of inf, NaN of NaN and of what is below 0.
template <class Batch>
inline Batch any_logarithm(Batch const& x) {
  using T = typename Batch::value_type;
  Batch const none(T(0)), inf(infinity<T>);
  auto const tiny = x < Batch((std::numeric_limits<T>::min)());
  Batch const scaled = xsimd::select(tiny, product(x, Batch(T(0x1p54))), x);
  Batch const shift = xsimd::select(tiny, Batch(T(54 * 0.69314718055994530942)), none);
  Batch const log = xsimd::select(x < inf, Batch(logarithm(scaled) - shift), x);
  return xsimd::select(x > none, log, xsimd::select(x < none, inf - inf, x - inf));
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS

namespace mlot::MLOT_SET {
template <class T, class Arch>
struct logarithm_of<xsimd::batch<T, Arch>> {
  using batch = xsimd::batch<T, Arch>;
  static batch value(batch const& x) { return simd::logarithm(x); }
};
template <class T, class Arch>
struct multiply_add_of<xsimd::batch<T, Arch>> {
  using batch = xsimd::batch<T, Arch>;
  static batch value(batch const& x, batch const& y, batch const& z) {
    return simd::multiply_add(x, y, z);
  }
};
}  // namespace mlot::MLOT_SET
