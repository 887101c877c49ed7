// What shows that the emulated grid can fail: kernels whose barrier was taken away.
#include <bit>
#include <cmath>
#include <stdexcept>

#include "grid/barriers.hpp"
#include "grid/emulated.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using kit::emulation::order;
constexpr index_t blocks = 3;

/// The bits of what a kernel writes when threads run in this order.
template <class Kernel>
std::vector<std::uint32_t> bits_of(order in) {
  std::vector<float> input(std::size_t(blocks * barriers::threads)), output(input.size());
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = 1 + 0.37f * float(i);
  kit::emulation::current_order() = in;
  auto const size = index_t(input.size());
  REQUIRE(
      kit::emulated<>().launch(blocks, Kernel{{input.data(), size}, {output.data(), size}}).ok());
  kit::emulation::current_order() = order::rising;
  std::vector<std::uint32_t> bits;
  for (float const x : output) bits.push_back(std::bit_cast<std::uint32_t>(x));
  return bits;
}
template <class Kernel>
bool depends_on_order() {
  return bits_of<Kernel>(order::rising) != bits_of<Kernel>(order::falling);
}

/// A barrier for some threads of the block only.
template <bool OfWarp>
struct divided {
  static constexpr int threads = barriers::threads;
  using shared = simt::nothing_shared;
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    if (block.thread() == 5) return;
    if constexpr (OfWarp)
      block.sync_warp();
    else
      block.sync();
  }
};
}  // namespace

TEST_CASE("a kernel with its barriers gives the same bits in any order of threads") {
  CHECK(!depends_on_order<barriers::reversal<true>>());
  CHECK(!depends_on_order<barriers::sums<true>>());
}

TEST_CASE("a removed barrier between writing and reading shows by order and as NaN") {
  CHECK(depends_on_order<barriers::reversal<false>>());
  for (order const in : {order::rising, order::falling}) {
    int unknown = 0;
    for (std::uint32_t const bits : bits_of<barriers::reversal<false>>(in))
      unknown += std::isnan(std::bit_cast<float>(bits));
    CHECK(unknown == blocks * barriers::threads / 2);
  }
}

TEST_CASE("a removed barrier between reading and writing again shows by order") {
  CHECK(depends_on_order<barriers::sums<false>>());
}

TEST_CASE("a barrier that not all threads reach is an error, and the next launch is sound") {
  CHECK_THROWS_AS(kit::emulated<>().launch(1, divided<false>{}), std::logic_error);
  CHECK_THROWS_AS(kit::emulated<>().launch(1, divided<true>{}), std::logic_error);
  CHECK(!depends_on_order<barriers::reversal<true>>());
}
