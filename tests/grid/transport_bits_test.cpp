#include "grid/other_launches.hpp"
#include "primitive/sinkhorn_batch.hpp"
#include "test.hpp"
using namespace kit;

namespace {
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

TEMPLATE_TEST_CASE("transport has the same bits in one block and in many launches", "", float,
                   double) {
  for (sinkhorn_domain const domain : {sinkhorn_domain::scaling, sinkhorn_domain::logarithmic}) {
    auto const one = problems_on<one_block_a_problem, TestType>(domain);
    CHECK(same(one, problems_on<launches_only, TestType>(domain)));
    CHECK(same(one, problems_on<kernel_in_shared_memory, TestType>(domain)));
    CHECK(same(one, problems_on<in_falling_order<one_block_a_problem>, TestType>(domain)));
    CHECK(same(one, problems_on<in_falling_order<launches_only>, TestType>(domain)));
  }
}
