#include <functional>
#include <mutex>
#include <thread>

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

/// Ways to call from many threads at once: each calls its argument some times.
using callers = void (*)(std::function<void()> const&);
struct way_to_call {
  char const* name;
  callers from;
};
void from_threads(std::function<void()> const& call) {
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n) threads.emplace_back(call);
  for (std::thread& thread : threads) thread.join();
}
way_to_call const ways_to_call[] = {
    {"std::thread", from_threads},
#ifdef _OPENMP
    {"parallel region",
     [](auto const& call) {
#  pragma omp parallel num_threads(4)
       call();
     }},
    {"parallel region of one thread",
     [](auto const& call) {
#  pragma omp parallel num_threads(1)
       call();
     }},
    {"tasks",
     [](auto const& call) {
#  pragma omp parallel num_threads(3)
#  pragma omp single
       for (int n = 0; n < 3; ++n) {
#  pragma omp task
         call();
       }
     }},
    {"nested regions",
     [](auto const& call) {
       int const before = omp_get_max_active_levels();
       omp_set_max_active_levels(3);
#  pragma omp parallel num_threads(2)
#  pragma omp parallel num_threads(2)
       call();
       omp_set_max_active_levels(before);
     }},
    {"dynamic teams",
     [](auto const& call) {
       omp_set_dynamic(1);
       call();
#  pragma omp parallel num_threads(3)
       call();
       omp_set_dynamic(0);
     }},
    {"threads with a region each",
     [](auto const& call) {
       from_threads([&] {
#  pragma omp parallel num_threads(2)
         call();
       });
     }},
#endif
};

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

TEMPLATE_LIST_TEST_CASE("every primitive and loss may be called by many threads at once",
                        "[determinism]", every_device) {
  using Device = typename TestType::device;
  using T = typename TestType::scalar;
  auto const alone = results_with<Device, T, T>(1);
  kit::thread_count const set(4);
  for (way_to_call const& way : ways_to_call) {
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
