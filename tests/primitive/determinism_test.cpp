#include <mutex>

#include "primitive/every_primitive.hpp"
#include "primitive/thread_count.hpp"
#include "ways_to_call.hpp"
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

/// The same for threads of a test, in which nothing may be asserted: nothing after a fault. The
/// size of the scratch memory is asked for with one number of threads, and used with another.
template <class Device, class T>
std::vector<std::byte> results_of_a_caller(int asked = 0, int used = 0) {
  kit::every_primitive<T, T> all;
  bool ok = true;
  auto const with = [](int threads, auto action) {
    if (threads == 0) return action();
    kit::thread_count const set(threads);
    action();
  };
  auto const run = [&](char const*, auto const& primitive) {
    std::vector<std::byte> scratch;
    with(asked, [&] { scratch.resize(workspace_size(Device{}, primitive), std::byte(0xff)); });
    with(used, [&] { ok &= compute(Device{}, primitive, {scratch.data(), scratch.size()}).ok(); });
  };
  all.for_each(run);
  all.for_each_composite(run);
  return ok ? all.results() : std::vector<std::byte>();
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

TEMPLATE_LIST_TEST_CASE("every primitive gives the same bits for 1 to 8 and 16 threads and again",
                        "[determinism]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  auto const one = results_with<typename TestType::device, T, S>(1);
  CHECK(one.size() > 10000);
  for (int const threads : {2, 3, 4, 5, 6, 7, 8, 1, 16, 4})
    CHECK((results_with<typename TestType::device, T, S>(threads) == one));
}

TEMPLATE_LIST_TEST_CASE("every primitive and loss may be called by many threads at once",
                        "[determinism]", every_device) {
  using Device = typename TestType::device;
  using T = typename TestType::scalar;
  auto const alone = results_with<Device, T, T>(1);
  kit::thread_count const set(4);
  for (kit::way_to_call const& way : kit::ways_to_call) {
    std::vector<std::vector<std::byte>> results;
    std::mutex adding;
    way.from([&] {
      auto own = results_of_a_caller<Device, T>();
      std::lock_guard const lock(adding);
      results.push_back(std::move(own));
    });
    INFO(way.name);
    CHECK(!results.empty());
    for (auto const& own : results) CHECK((own == alone));
  }
}

TEMPLATE_LIST_TEST_CASE("a size asked for with one number of threads is enough for another",
                        "[determinism]", every_device) {
  using Device = typename TestType::device;
  using T = typename TestType::scalar;
  auto const alone = results_with<Device, T, T>(1);
  CHECK((results_of_a_caller<Device, T>(1, 4) == alone));
  CHECK((results_of_a_caller<Device, T>(4, 1) == alone));
  CHECK((results_of_a_caller<Device, T>(2, 16) == alone));
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
