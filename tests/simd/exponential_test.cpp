#include <cmath>
#include <limits>

#include "mlot/simd/exponentials.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using batch = xsimd::batch<float>;

template <class T, class Arch = xsimd::default_arch>
T exponential_of(T x) {
  using lanes = xsimd::batch<T, Arch>;
  alignas(64) T lane[lanes::size];
  simd::exponential(lanes(x)).store_aligned(lane);
  return lane[0];
}

/// How far `is` is from `exact`, in units of the last place of the latter.
double ulps(double is, long double exact) {
  int exponent;
  std::frexp(double(exact), &exponent);
  return double(std::fabs((long double)(is)-exact) / std::ldexp(1.0L, exponent - 53));
}
}  // namespace

TEST_CASE("an exponential is within 2.5e-7 + 2e-9 |x| of the exact one") {
  double worst = 0;
  for (int step = -873000; step <= 880000; ++step) {
    float const x = float(step) * 1e-4f;
    double const exact = std::exp(double(x));
    worst =
        std::max(worst, (std::fabs(double(exponential_of(x)) / exact - 1) - 2e-9 * std::fabs(x)));
  }
  CHECK(worst <= 2.5e-7);
  CHECK(worst > 1e-8);  // it was measured
}

TEST_CASE("an exponential in double is within a unit in the last place") {
  double worst = 0;
  auto const look = [&](double x) {
    worst = std::max(worst, ulps(exponential_of(x), std::exp((long double)(x))));
  };
  for (int step = -70800; step <= 70978; ++step) look(double(step) * 0.01 + 1e-6 * (step % 997));
  for (int step = -100000; step <= 100000; ++step) look(double(step) * 7e-6 + 1e-13 * step);
  for (double x = 1e-18; x < 1e-2; x *= 1.01) look(x), look(-x);
  CHECK(worst <= 1);
  CHECK(worst > 0.4);  // it was measured
}

TEST_CASE("an exponential in double is exact where it must be") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  CHECK(exponential_of(0.0) == 1.0);
  CHECK(exponential_of(-0.0) == 1.0);
  for (double const x : {-inf, -1e300, -1e4, -745.2, -709.0}) CHECK(exponential_of(x) == 0.0);
  CHECK(exponential_of(-708.0) > 0.0);
  CHECK(exponential_of(709.7827) < inf);
  for (double const x : {709.783, 711.0, 1e4, 1e300, inf}) CHECK(exponential_of(x) == inf);
  CHECK(std::isnan(exponential_of(std::numeric_limits<double>::quiet_NaN())));
  CHECK(std::isnan(exponential_of(-std::numeric_limits<double>::quiet_NaN())));
}

#if defined(__x86_64__)
// A multiply-add rounds once or twice as the compiler's flags say, whatever set the lanes are of.
TEST_CASE("an exponential of a narrower set is the same number") {
  xsimd::supported_architectures::for_each([]<class Arch>(Arch) {
    int differing = 0;
    for (float x = -87.0f; x < 88.0f; x += 0.0137f)
      differing += exponential_of<float, Arch>(x) != exponential_of(x);
    for (double x = -708.0; x < 709.0; x += 0.0737)
      differing += exponential_of<double, Arch>(x) != exponential_of(x);
    CHECK(differing == 0);
  });
}
#endif

TEST_CASE("an exponential is exact where it must be") {
  CHECK(exponential_of(0.0f) == 1.0f);
  CHECK(exponential_of(-std::numeric_limits<float>::infinity()) == 0.0f);
  CHECK(exponential_of(-1e30f) == 0.0f);
  CHECK(exponential_of(-88.1f) == 0.0f);
  CHECK(exponential_of(-87.6f) < std::numeric_limits<float>::min());
  CHECK(std::isnan(exponential_of(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(exponential_of(-std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("one exponential serves two temperatures of which one is twice the other") {
  for (auto const& [first, second] :
       {std::pair(1.0f, 0.5f), std::pair(0.5f, 1.0f), std::pair(1.0f, 0.3f)}) {
    float const inverse[3] = {first, second, 0};
    double worst = 0;
    simd::with_exponentials<batch>(
        inverse, 2, [&]<int N>(std::integral_constant<int, N>, auto powers) {
          for (float x = -40; x <= 0; x += 0.01f) {
            batch e[N];
            powers(batch(x), e);
            for (int c = 0; c < N; ++c) {
              alignas(64) float lane[batch::size];
              e[c].store_aligned(lane);
              worst = std::max(worst,
                               std::fabs(lane[0] / std::exp(double(x) * double(inverse[c])) - 1));
            }
          }
        });
    CHECK(worst <= 3e-6);  // of which x inverse, rounded, makes 40 eps / 2
  }
}
