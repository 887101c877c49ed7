// Every set of lanes that these flags allow: a multiply-add rounds as often as fuses_multiply_add
// says, and so the exponential and the logarithm are as accurate as they say. Nothing is fused here
// but by name.
#include <cmath>
#include <cstdio>

#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/logarithm.hpp"

namespace {
template <class T, class Arch>
T first(xsimd::batch<T, Arch> const& x) {
  alignas(64) T lane[xsimd::batch<T, Arch>::size];
  x.store_aligned(lane);
  return lane[0];
}

template <class T, class Arch>
bool fuses() {
  using lanes = xsimd::batch<T, Arch>;
  T const volatile tiny = std::numeric_limits<T>::epsilon();
  lanes const x(T(1) + tiny), square(T(1) + 2 * tiny);
  T const rest = first(mlot::simd::multiply_add(x, x, lanes(-square)));  // tiny^2, or rounded away
  T const number = T(1) + tiny,
          of_numbers = mlot::simd::multiply_add(number, number, -(1 + 2 * tiny));
  T const expected = mlot::simd::fuses_multiply_add ? tiny * tiny : T(0);
  return rest == expected && of_numbers == expected;
}

template <class Arch>
bool accurate(char const* name) {
  double exponential = 0, logarithm = 0, in_double = 0;  // times what is allowed
  for (int step = 0; step <= 60000; ++step) {
    float const x = -87 + float(step) * 0.00291f;
    double const is = first(mlot::simd::exponential(xsimd::batch<float, Arch>(x)));
    exponential = std::fmax(
        exponential, std::fabs(is / std::exp(double(x)) - 1) / (2.5e-7 + 2e-9 * std::fabs(x)));
    float const y = 1e-30f * float(1 + step) * float(1 + step) * float(1 + step);
    double const of_y = first(mlot::simd::logarithm(xsimd::batch<float, Arch>(y)));
    logarithm = std::fmax(logarithm, std::fabs(of_y / std::log(double(y)) - 1) / 2e-7);
    double const z = -700 + step * 0.02339;
    double const of_z = first(mlot::simd::exponential(xsimd::batch<double, Arch>(z)));
    in_double =
        std::fmax(in_double, double(std::fabs(of_z / std::exp((long double)(z)) - 1)) / 2.3e-16);
  }
  bool const good = fuses<float, Arch>() && fuses<double, Arch>() && exponential <= 1 &&
                    logarithm <= 1 && in_double <= 1;
  std::printf("%s%s: exponential %.2f, in double %.2f, logarithm %.2f of the documented error\n",
              name, good ? "" : " is wrong", exponential, in_double, logarithm);
  return good;
}
}  // namespace

int arches() {
  bool all = true;
  xsimd::supported_architectures::for_each(
      [&](auto arch) { all &= accurate<decltype(arch)>(arch.name()); });
  return all ? 0 : 1;
}
