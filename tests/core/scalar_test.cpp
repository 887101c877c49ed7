#include "mlot/core/scalar.hpp"

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "test.hpp"
using mlot::bfloat16;
using mlot::half;

static_assert(mlot::real<float> && mlot::real<double> && mlot::real<long double>);
static_assert(mlot::real<double const> && mlot::storage<half const>);
static_assert(!mlot::real<half> && !mlot::real<bfloat16> && !mlot::real<int>);
static_assert(mlot::storage<half> && mlot::storage<bfloat16> && mlot::storage<float>);
static_assert(!mlot::storage<int> && !mlot::storage<char const*>);
static_assert(std::is_same_v<mlot::accumulator_t<half>, float>);
static_assert(std::is_same_v<mlot::accumulator_t<bfloat16 const>, float>);
static_assert(std::is_same_v<mlot::accumulator_t<double>, double>);
static_assert(std::is_same_v<mlot::wide_t<float>, double>);
static_assert(std::is_same_v<mlot::wide_t<long double>, long double>);
static_assert(float(half(1.5f)) == 1.5f && float(bfloat16(-2.f)) == -2.f, "at compile time, too");
static_assert(sizeof(half) == sizeof(Eigen::half) && alignof(half) == alignof(Eigen::half));

namespace {
template <class S>
S from_bits(std::uint32_t bits) {
  S x;
  x.bits = static_cast<std::uint16_t>(bits);
  return x;
}
float reference(half x) { return float(Eigen::half(Eigen::half_impl::raw_uint16_to_half(x.bits))); }
float reference(bfloat16 x) {
  return float(Eigen::bfloat16(Eigen::bfloat16_impl::raw_uint16_to_bfloat16(x.bits)));
}
template <class S>
std::uint16_t reference_bits(float x) {
  if constexpr (std::is_same_v<S, half>)
    return std::bit_cast<std::uint16_t>(Eigen::half(x));
  else
    return std::bit_cast<std::uint16_t>(Eigen::bfloat16(x));
}
/// Counts the floats around x whose conversion differs from the reference's.
template <class S>
int differing_conversions_around(float x) {
  int differing = 0;
  float const inf = std::numeric_limits<float>::infinity();
  for (float const y : {x, std::nextafter(x, -inf), std::nextafter(x, inf)})
    differing += S(y).bits != reference_bits<S>(y);
  return differing;
}
float const a_nan = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEMPLATE_TEST_CASE("every bit pattern of a storage type survives the way through float", "[scalar]",
                   half, bfloat16) {
  int lost = 0, nans = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    auto const stored = from_bits<TestType>(bits);
    TestType const again(float{stored});
    if (std::isnan(float(stored))) {
      ++nans;
      lost += !std::isnan(float(again)) || (again.bits & 0x8000) != (stored.bits & 0x8000);
    } else {
      lost += again.bits != stored.bits;
    }
  }
  CHECK(lost == 0);
  CHECK(nans == (std::is_same_v<TestType, half> ? 2 * 1023 : 2 * 127));
}

TEMPLATE_TEST_CASE("every bit pattern means what it means to Eigen", "[scalar]", half, bfloat16) {
  int differing = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    auto const stored = from_bits<TestType>(bits);
    float const ours = float(stored), theirs = reference(stored);
    differing += std::isnan(theirs)
                     ? !std::isnan(ours)
                     : std::bit_cast<std::uint32_t>(ours) != std::bit_cast<std::uint32_t>(theirs);
  }
  CHECK(differing == 0);
}

TEMPLATE_TEST_CASE("floats at, between and beside all neighbours round as Eigen rounds them",
                   "[scalar]", half, bfloat16) {
  int differing = 0;
  for (std::uint32_t bits = 0; bits < 65535; ++bits) {
    float const low = float(from_bits<TestType>(bits));
    float const high = float(from_bits<TestType>(bits + 1));
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    differing += differing_conversions_around<TestType>(low);
    differing += differing_conversions_around<TestType>(float((double(low) + double(high)) / 2));
    differing += differing_conversions_around<TestType>(low + (high - low) / 4);
  }
  CHECK(differing == 0);
}

TEST_CASE("half rounds ties to even, overflows to infinity and keeps subnormals", "[scalar]") {
  CHECK(half(1.f + 0x1p-11f).bits == 0x3c00);      // tie, down to even
  CHECK(half(1.f + 3 * 0x1p-11f).bits == 0x3c02);  // tie, up to even
  CHECK(half(1.f + 0x1.002p-11f).bits == 0x3c01);  // just above the tie
  CHECK(half(65504.f).bits == 0x7bff);             // largest
  CHECK(half(65519.996f).bits == 0x7bff);          // rounds down to it
  CHECK(half(65520.f).bits == 0x7c00);             // tie: infinity is the even one
  CHECK(half(1e30f).bits == 0x7c00);
  CHECK(half(-1e30f).bits == 0xfc00);
  CHECK(half(0x1p-14f).bits == 0x0400);             // smallest normal
  CHECK(half(0x1p-14f - 0x1p-26f).bits == 0x0400);  // rounds up into the normals
  CHECK(half(0x1p-24f).bits == 0x0001);             // smallest subnormal
  CHECK(half(0x1p-25f).bits == 0x0000);             // tie with zero
  CHECK(half(0x1.000002p-25f).bits == 0x0001);      // just above it
  CHECK(half(3 * 0x1p-25f).bits == 0x0002);         // tie, up to even
  CHECK(half(-0.f).bits == 0x8000);
  CHECK(half(std::numeric_limits<float>::denorm_min()).bits == 0);
  CHECK(half(std::numeric_limits<float>::infinity()).bits == 0x7c00);
  CHECK((half(a_nan).bits & 0x7fff) > 0x7c00);
  CHECK((half(-a_nan).bits & 0x8000) != 0);
  CHECK(float(from_bits<half>(0x0001)) == 0x1p-24f);
  CHECK(float(from_bits<half>(0x83ff)) == -1023 * 0x1p-24f);
}

TEST_CASE("bfloat16 rounds ties to even, overflows to infinity and keeps subnormals", "[scalar]") {
  CHECK(bfloat16(1.f + 0x1p-8f).bits == 0x3f80);      // tie, down to even
  CHECK(bfloat16(1.f + 3 * 0x1p-8f).bits == 0x3f82);  // tie, up to even
  CHECK(bfloat16(1.f + 0x1.0002p-8f).bits == 0x3f81);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(bfloat16(0x1.fep127f).bits == 0x7f7f);
  CHECK(bfloat16(-std::numeric_limits<float>::infinity()).bits == 0xff80);
  CHECK(bfloat16(0x1p-133f).bits == 0x0001);
  CHECK(bfloat16(0x1p-134f).bits == 0x0000);  // tie with zero
  CHECK(bfloat16(3 * 0x1p-134f).bits == 0x0002);
  CHECK(bfloat16(-0.f).bits == 0x8000);
  // A NaN whose upper payload is empty must not become infinity.
  CHECK(std::isnan(float(bfloat16(std::bit_cast<float>(0x7f800001u)))));
  CHECK(std::isnan(float(bfloat16(std::bit_cast<float>(0xffffffffu)))));
}

TEST_CASE("load_as and store_as convert once", "[scalar]") {
  CHECK(mlot::load_as<double>(half(0.25f)) == 0.25);
  CHECK(mlot::load_as<double>(0.1) == 0.1);
  CHECK(mlot::load_as<float>(0.1) == 0.1f);
  CHECK(mlot::store_as<half>(1.f + 3 * 0x1p-11f).bits == 0x3c02);
  CHECK(mlot::store_as<bfloat16>(-2.0).bits == 0xc000);
  CHECK(mlot::store_as<float>(0.1) == 0.1f);
  CHECK(mlot::as_double(1.5f) == 1.5);
}

TEST_CASE("sign is 0 at 0 and nowhere else", "[scalar]") {
  CHECK(mlot::sign(0.0) == 0);
  CHECK(mlot::sign(-0.0) == 0);
  CHECK(mlot::sign(1e-300) == 1);
  CHECK(mlot::sign(-std::numeric_limits<float>::denorm_min()) == -1);
  CHECK(mlot::sign(std::numeric_limits<double>::infinity()) == 1);
}
