// What may change in a launch without changing a bit: the order of blocks and threads, how many
// blocks a grid has, and whether a transport problem is one block's or many launches'.
#include "devices.hpp"
#include "loss/owned_loss.hpp"
#include "loss/random_problem.hpp"
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
struct one_block_a_problem : on::emulated<> {
  static constexpr on::grid_tuning tuning = [] {
    auto t = on::emulated<>::tuning;
    t.one_block_entries = 1 << 20;
    t.most_blocks = 3;
    return t;
  }();
};
struct launches_only : on::emulated<> {
  static constexpr on::grid_tuning tuning = [] {
    auto t = on::emulated<>::tuning;
    t.one_block_entries = 0;
    t.most_blocks = 100;
    return t;
  }();
};

template <class Device>
struct in_falling_order : Device {
  template <class Kernel>
  status launch(index_t blocks, Kernel const& kernel) const {
    on::emulation::current_order() = on::emulation::order::falling;
    status const s = Device::launch(blocks, kernel);
    on::emulation::current_order() = on::emulation::order::rising;
    return s;
  }
};

template <class T, class Device>
auto loss_on(Device device) {
  oracle::loss_problem const p = loss_test::random_problem(7);
  auto owned = std::make_unique<loss_test::owned_loss<T>>(p);
  REQUIRE(owned->run(device).ok());
  return owned;
}
template <class Device, class T>
auto problems_on(sinkhorn_domain domain) {
  kit::sinkhorn_batch<T> all(kit::problems({{9, 40}, {0, 3}, {33, 17}, {1, 1}, {4, 0}}), 9);
  all.domain = domain;
  all.tolerance = T(1e-3);
  all.draw_marginals(5);
  all.template forward_and_back<Device>();
  return all;
}
template <class T>
bool same(kit::sinkhorn_batch<T> const& a, kit::sinkhorn_batch<T> const& b) {
  return a.plan.same_bits(b.plan) && a.distance.same_bits(b.distance) &&
         a.row_scaling.same_bits(b.row_scaling) && a.gradient.same_bits(b.gradient) &&
         a.done.same_bits(b.done) && a.row_error.same_bits(b.row_error) &&
         a.dual.same_bits(b.dual) && a.row_marginal_gradient.same_bits(b.row_marginal_gradient);
}
}  // namespace

TEMPLATE_TEST_CASE("a loss has the same bits on every grid and in any order", "", float, double) {
  auto const one = loss_on<TestType>(on::emulated<>());
  CHECK(one->same_bits(*loss_on<TestType>(in_falling_order<on::emulated<>>())));
  CHECK(one->same_bits(*loss_on<TestType>(one_block_a_problem())));
  CHECK(one->same_bits(*loss_on<TestType>(in_falling_order<launches_only>())));
}

TEMPLATE_TEST_CASE("transport has the same bits in one block and in many launches", "", float,
                   double) {
  for (sinkhorn_domain const domain : {sinkhorn_domain::scaling, sinkhorn_domain::logarithmic}) {
    auto const one = problems_on<one_block_a_problem, TestType>(domain);
    CHECK(same(one, problems_on<launches_only, TestType>(domain)));
    CHECK(same(one, problems_on<in_falling_order<one_block_a_problem>, TestType>(domain)));
    CHECK(same(one, problems_on<in_falling_order<launches_only>, TestType>(domain)));
  }
}
