#pragma once
#include <cstdint>
#include <type_traits>

#include "mlot/simd/lanes.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// exp(x), -inf included; NaN stays NaN. What lies below the smallest normal number may be 0, in
/// double below twice that. In float for x <= 88: the relative error is below 2.5e-7 + 2e-9 |x|, in
/// half the instructions of xsimd's. In double for every x: within one unit in the last place.
/// tests/simd/exponential_test.cpp asserts both. Multiplications are named, so that all copies of a
/// loop give the same bits.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite); e^r = 1 + r + r^2 P(r), P minimax in the
/// relative error (Remez): 1e-7 in float, 4e-18 in double. Adding 1.5 2^23, or 2^52, rounds to an
/// integer; its low bits are then those of 2^n's exponent, and 0 for the least n.
template <class Batch>
inline Batch exponential(Batch x) {
  // The order of max's and min's arguments lets NaN through on x86.
  if constexpr (std::same_as<typename Batch::value_type, float>) {
    x = (xsimd::max)(Batch(-88.029692f), x);
    Batch const to_integer(12582912.0f + 127.0f);
    Batch const shifted = multiply_add(x, Batch(1.44269504f), to_integer);
    Batch const n = shifted - to_integer;
    Batch r;
    if constexpr (fuses_multiply_add) {
      r = multiply_add(n, Batch(-0.693147182f), x);
    } else {  // the product must not round: the upper part of ln 2 has 15 bits
      r = multiply_add(n, Batch(-1.42860677e-6f), multiply_add(n, Batch(-0.693145752f), x));
    }
    Batch p(0x1.106284p-7f);
    for (float const c : {0x1.5729f0p-5f, 0x1.5557aep-3f, 0x1.fffdfcp-2f, 1.0f, 1.0f})
      p = multiply_add(p, r, Batch(c));
    return product(p, bits_as<float>(bits_as<std::int32_t>(shifted) << 23));
  } else {
    // 2 e^r times 2^(n - 1), which is finite as long as e^x is.
    x = (xsimd::min)(Batch(709.79), (xsimd::max)(Batch(-708.39641853226408), x));
    Batch const to_integer(0x1.8p52 + 1022);
    Batch const shifted = multiply_add(x, Batch(0x1.71547652b82fep0), to_integer);
    Batch const n = shifted - to_integer;
    // Without FMA the first product must not round: this upper part of ln 2 has 42 bits.
    constexpr double upper = fuses_multiply_add ? 0x1.62e42fefa39efp-1 : 0x1.62e42fefa38p-1;
    constexpr double lower = fuses_multiply_add ? 0x1.abc9e3b39803fp-56 : 0x1.ef35793c7673p-45;
    Batch const high = multiply_add(n, Batch(-upper), x), low = product(n, Batch(-lower));
    Batch const r = high + low;
    Batch p(0x1.ad672e203d4b7p-26);
    for (double const c : {0x1.28ad942081cc2p-22, 0x1.71df3395838cap-19, 0x1.a01999ec6c970p-16,
                           0x1.a01a0124730d3p-13, 0x1.6c16c18433eeap-10, 0x1.1111111128bc6p-7,
                           0x1.555555555085cp-5, 0x1.55555555554f6p-3, 0x1.000000000000ap-1})
      p = multiply_add(p, r, Batch(c));
    p = Batch(1.0) + (high + multiply_add(product(r, r), p, low));  // not r, which is rounded
    return product(Batch(p + p), bits_as<double>(bits_as<std::int64_t>(shifted) << 52));
  }
}

/// Calls body(N, powers) where powers(x, e) sets e[c] = exp(x inverse[c]) for N = count (1 to 3)
/// temperatures and x <= 0. One exponential serves two temperatures when one is twice the other.
template <class Batch, class T, class Body>
void with_exponentials(T const (&inverse)[3], int count, Body body) {
  Batch const i0(inverse[0]), i1(inverse[1]), i2(inverse[2]);
  std::integral_constant<int, 1> const one;
  std::integral_constant<int, 2> const two;
  if (count == 1)
    body(one, [=](Batch const& x, auto& e) { e[0] = exponential(product(x, i0)); });
  else if (count == 2 && inverse[0] == 2 * inverse[1])
    body(two, [=](Batch const& x, auto& e) {
      e[1] = exponential(product(x, i1));
      e[0] = product(e[1], e[1]);
    });
  else if (count == 2 && inverse[1] == 2 * inverse[0])
    body(two, [=](Batch const& x, auto& e) {
      e[0] = exponential(product(x, i0));
      e[1] = product(e[0], e[0]);
    });
  else if (count == 2)
    body(two, [=](Batch const& x, auto& e) {
      e[0] = exponential(product(x, i0));
      e[1] = exponential(product(x, i1));
    });
  else
    body(std::integral_constant<int, 3>{}, [=](Batch const& x, auto& e) {
      e[0] = exponential(product(x, i0));
      e[1] = exponential(product(x, i1));
      e[2] = exponential(product(x, i2));
    });
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
