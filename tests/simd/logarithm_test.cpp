#include "mlot/simd/logarithm.hpp"

#include <cmath>
#include <limits>

#include "test.hpp"
using namespace mlot;

namespace {
template <class T>
T log_of(T x) {
  alignas(64) T lane[xsimd::batch<T>::size];
  simd::logarithm(xsimd::batch<T>(x)).store_aligned(lane);
  return lane[0];
}
template <class T>
T any_log_of(T x) {
  alignas(64) T lane[xsimd::batch<T>::size];
  simd::any_logarithm(xsimd::batch<T>(x)).store_aligned(lane);
  return lane[0];
}
}  // namespace

TEST_CASE("a logarithm is within 2e-7 of its size, near 0 too") {
  double worst = 0;
  auto const look = [&](float x) {
    double const exact = std::log(double(x));
    if (exact != 0) worst = std::max(worst, std::fabs(double(log_of(x)) / exact - 1));
  };
  for (int step = 1; step <= 300000; ++step) look(float(step) * 1e-5f);
  for (float x = std::numeric_limits<float>::min(); x < 1e38f; x *= 1.0001f) look(x);
  for (float x = 0.99f; x < 1.01f; x = std::nextafter(x, 2.0f)) look(x);
  CHECK(worst <= 2e-7);
  CHECK(worst > 1e-8);  // it was measured
}

TEST_CASE("a logarithm in double is within a unit in the last place") {
  double worst = 0;
  auto const look = [&](double x) {
    long double const exact = std::log((long double)(x));
    int exponent;
    std::frexp(double(exact), &exponent);
    long double const unit = std::ldexp(1.0L, exponent - 53);
    worst = std::max(worst, double(std::fabs((long double)(log_of(x)) - exact) / unit));
  };
  for (int step = 1; step <= 300000; ++step)
    if (step != 100000) look(double(step) * 1e-5);
  for (double x = std::numeric_limits<double>::min(); x < 1e308; x *= 1.0037) look(x);
  for (double d = 1e-15; d < 0.1; d *= 1.003) look(1 + d), look(1 - d);
  CHECK(worst <= 1);
  CHECK(worst > 0.4);  // it was measured
}

TEMPLATE_TEST_CASE("the logarithm of 1 is 0, exactly", "", float, double) {
  CHECK(log_of(TestType(1)) == TestType(0));
}

TEMPLATE_TEST_CASE("a logarithm of any number", "", float, double) {
  using limits = std::numeric_limits<TestType>;
  constexpr TestType inf = limits::infinity(), nan = limits::quiet_NaN();
  CHECK(any_log_of(TestType(0)) == -inf);
  CHECK(any_log_of(TestType(-0.0)) == -inf);
  CHECK(any_log_of(inf) == inf);
  CHECK(any_log_of(limits::max()) == log_of(limits::max()));
  CHECK(any_log_of(TestType(1)) == TestType(0));
  for (TestType const x : {nan, -nan, TestType(-1), -limits::min(), -inf})
    CHECK(std::isnan(any_log_of(x)));
  for (TestType x = limits::min(); x > TestType(0); x /= TestType(2)) {
    double const exact = std::log(double(x));
    CHECK(std::fabs(double(any_log_of(x)) - exact) <= std::fabs(exact) * 2 * limits::epsilon());
  }
}
