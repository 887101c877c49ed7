#include <array>
#include <bit>
#include <cstdint>

#include "mlot/simd/lanes.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using batch = xsimd::batch<float>;
constexpr std::size_t lanes = batch::size;

/// The same number, or both NaN.
bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}
template <class S>
bool stored_alike(S a, S b) {
  return a.bits == b.bits || (float(a) != float(a) && float(b) != float(b));
}
}  // namespace

TEMPLATE_TEST_CASE("lanes load every stored value as the scalar conversion does", "", half,
                   bfloat16) {
  int differing = 0;
  for (std::uint32_t first = 0; first < 65536; first += lanes) {
    std::array<TestType, lanes> stored;
    for (std::size_t l = 0; l < lanes; ++l) stored[l].bits = std::uint16_t(first + l);
    alignas(64) float lane[lanes];
    simd::load_lanes<batch>(stored.data(), simd::all_lanes{}).store_aligned(lane);
    for (std::size_t l = 0; l < lanes; ++l) differing += !same(lane[l], float(stored[l]));
  }
  CHECK(differing == 0);
}

TEMPLATE_TEST_CASE("lanes store as the scalar conversion rounds", "", half, bfloat16) {
  int differing = 0;
  for (std::uint64_t first = 0; first < (std::uint64_t(1) << 32); first += 9973 * lanes) {
    alignas(64) float lane[lanes];
    for (std::size_t l = 0; l < lanes; ++l)
      lane[l] = std::bit_cast<float>(std::uint32_t(first + l * 9973));
    std::array<TestType, lanes> stored;
    simd::store_lanes(stored.data(), batch::load_aligned(lane), simd::all_lanes{});
    for (std::size_t l = 0; l < lanes; ++l)
      differing += !stored_alike(stored[l], TestType(lane[l]));
  }
  CHECK(differing == 0);
}

TEMPLATE_TEST_CASE("lanes round what lies between two stored values to even", "", half, bfloat16) {
  int differing = 0;
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    TestType low, high;
    low.bits = std::uint16_t(bits), high.bits = std::uint16_t(bits + 1);
    float const middle = float(low) + (float(high) - float(low)) / 2;
    alignas(64) float lane[lanes] = {middle, -middle};
    std::array<TestType, lanes> stored;
    simd::store_lanes(stored.data(), batch::load_aligned(lane), simd::all_lanes{});
    differing += !stored_alike(stored[0], TestType(middle));
    differing += !stored_alike(stored[1], TestType(-middle));
  }
  CHECK(differing == 0);
}

TEMPLATE_TEST_CASE("the last lanes of a row hold the fill and leave what lies behind", "", half,
                   bfloat16) {
  std::array<TestType, lanes> stored;
  stored.fill(TestType(3.0f));
  float const fill = -infinity<float>;
  alignas(64) float lane[lanes];
  simd::load_lanes<batch>(stored.data(), simd::first_lanes{1}, fill).store_aligned(lane);
  CHECK(lane[0] == 3.0f);
  CHECK(lane[lanes - 1] == fill);
  simd::store_lanes(stored.data(), batch(5.0f), simd::first_lanes{1});
  CHECK(float(stored[0]) == 5.0f);
  CHECK(float(stored[lanes - 1]) == 3.0f);
}
