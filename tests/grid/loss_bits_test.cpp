#include "grid/other_launches.hpp"
#include "loss/owned_loss.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
using namespace kit;

namespace {
template <class T, class Device>
auto loss_on(Device device) {
  oracle::loss_problem const p = loss_test::some_batch(7);
  auto owned = std::make_unique<loss_test::owned_loss<T>>(p);
  REQUIRE(owned->run(device).ok());
  return owned;
}
}  // namespace

TEMPLATE_TEST_CASE("a loss has the same bits on every grid and in any order", "", float, double) {
  auto const one = loss_on<TestType>(kit::emulated<>());
  CHECK(one->same_bits(*loss_on<TestType>(in_falling_order<kit::emulated<>>())));
  CHECK(one->same_bits(*loss_on<TestType>(one_block_a_problem())));
  CHECK(one->same_bits(*loss_on<TestType>(in_falling_order<launches_only>())));
}
