#pragma once
#include <cstdint>
#include <type_traits>

#include "mlot/simd/lanes.hpp"
namespace mlot::simd {
/// exp(x) for x <= 88, -inf included; NaN stays NaN. In float the relative error is below
/// 2.5e-7 + 2e-9 |x|, and what lies below the smallest normal number may be 0: with that it takes
/// half the instructions of xsimd's, which is right to the last place everywhere.
template <class Batch>
inline Batch exponential(Batch x) {
  if constexpr (std::same_as<typename Batch::value_type, float>) {
    // x = n ln 2 + r. Adding 1.5 2^23 rounds to an integer; its low bits are then n + 127, the
    // exponent of 2^n, and 0 for n = -127. The order of max's arguments lets NaN through on x86.
    x = xsimd::max(Batch(-88.029692f), x);
    Batch const to_integer(12582912.0f + 127.0f);
    Batch const shifted = multiply_add(x, Batch(1.44269504f), to_integer);
    Batch const n = shifted - to_integer;
    Batch r;
    if constexpr (fuses_multiply_add) {
      r = multiply_add(n, Batch(-0.693147182f), x);
    } else {  // the product must not round: the upper part of ln 2 has 15 bits
      r = multiply_add(n, Batch(-1.42860677e-6f), multiply_add(n, Batch(-0.693145752f), x));
    }
    // Minimax in the relative error among 1 + r + r^2 P(r) for |r| <= ln 2 / 2: 1e-7.
    Batch p(0x1.106284p-7f);
    for (float const c : {0x1.5729f0p-5f, 0x1.5557aep-3f, 0x1.fffdfcp-2f, 1.0f, 1.0f})
      p = multiply_add(p, r, Batch(c));
    return p * bits_as<float>(bits_as<std::int32_t>(shifted) << 23);
  } else {
    return xsimd::exp(x);
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
}  // namespace mlot::simd
