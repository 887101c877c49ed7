#include <cmath>
#include <limits>

#include "mlot/simd/exponentials.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using batch = xsimd::batch<float>;

float exponential_of(float x) {
  alignas(64) float lane[batch::size];
  simd::exponential(batch(x)).store_aligned(lane);
  return lane[0];
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
