#pragma once
#include <cmath>
#include <limits>
#include <numbers>

#include "mlot/grid/device.hpp"
/// exp((z - maximum) / tau) = 2^((z - maximum) rate) with rate = log2(e) / tau: on a card one
/// instruction for 2^x and two for its exponent, where expf takes eight. The rate is rounded once,
/// as 1 / tau would be, hence the same error: half an eps of the exponent.
namespace mlot::MLOT_SET::simt {
/// 2^x. A card's float takes what lies below the smallest normal number for 0, and is within 2 eps.
template <class T>
MLOT_DEVICE T power_of_two(T x) {
  using std::exp2;
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    asm("ex2.approx.ftz.f32 %0, %0;" : "+f"(x));
    return x;
  }
#endif
  return exp2(x);
}

template <class T>
inline constexpr T largest = (std::numeric_limits<T>::max)();

/// Whether the host's check would let `tau` pass.
template <class T>
MLOT_DEVICE bool is_temperature(T tau) {
  return tau > T(0) && tau < infinity<T> && T(1) / tau < infinity<T>;
}
/// Finite, so that the maximum itself has power 1 at every temperature.
template <class T>
MLOT_DEVICE T rate_of(T tau) {
  return least(std::numbers::log2e_v<T> / tau, largest<T>);
}

/// e[k] = exp(x / tau_k) for N temperatures. Squares: the second is half the first.
template <class T, int N, bool Squares>
struct exponentials {
  T rate[N];
  MLOT_DEVICE void operator()(T x, T (&e)[N]) const {
    for (int k = 0; k < N; ++k)
      e[k] = Squares && k == 1 ? e[0] * e[0] : power_of_two(T(x * rate[k]));
  }
};
}  // namespace mlot::MLOT_SET::simt
