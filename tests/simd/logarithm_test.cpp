#include "mlot/simd/logarithm.hpp"

#include <cmath>
#include <limits>

#include "test.hpp"
using namespace mlot;

namespace {
using batch = xsimd::batch<float>;

float log_of(float x) {
  alignas(64) float lane[batch::size];
  simd::logarithm(batch(x)).store_aligned(lane);
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

TEST_CASE("the logarithm of 1 is 0, exactly") { CHECK(log_of(1.0f) == 0.0f); }
