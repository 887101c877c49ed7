#include "primitive/every_primitive.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
template <class Device, class T, class S>
std::vector<std::byte> results_with(int threads) {
  kit::thread_count const set(threads);
  kit::every_primitive<T, S> all;
  auto const run = [](char const* name, auto const& primitive) {
    INFO(name);
    kit::succeeds<Device>(primitive);
  };
  all.for_each(run);
  all.for_each_composite(run);
  return all.results();
}

#if MLOT_TEST_SIMD
namespace versions {
using scalar::run;
using simd::run;
}  // namespace versions
/// Whether there is a run() for exactly this device, not for one that it derives from.
template <class Device, class Primitive>
concept has_its_own_version = requires {
  static_cast<status (*)(Device, Primitive const&, workspace<host_memory>)>(&versions::run);
};
#endif
}  // namespace

TEMPLATE_LIST_TEST_CASE("every primitive gives the same bits for 1, 2, 4 and 16 threads and again",
                        "[determinism]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  auto const one = results_with<typename TestType::device, T, S>(1);
  CHECK(one.size() > 10000);
  for (int const threads : {2, 4, 1, 16, 4})
    CHECK((results_with<typename TestType::device, T, S>(threads) == one));
}

#if MLOT_TEST_SIMD
TEMPLATE_TEST_CASE("the simd device runs its own version of each primitive", "[determinism]", float,
                   double) {
  kit::every_primitive<TestType, TestType> all;
  std::vector<std::string> scalar_only;
  all.for_each([&](char const* name, auto const& primitive) {
    using primitive_type = std::remove_cvref_t<decltype(primitive)>;
    static_assert(has_its_own_version<on::scalar, primitive_type>);
    if (!has_its_own_version<on::simd<>, primitive_type>) scalar_only.push_back(name);
  });
  // One number a token or a sequence, or a copy: nothing for lanes.
  CHECK(scalar_only == std::vector<std::string>{"cross_entropy", "sequence_totals", "segment_sums",
                                                "token_problems"});
}
#endif
