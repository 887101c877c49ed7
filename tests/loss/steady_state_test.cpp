// A call in steady state allocates nothing, keeps to its workspace, and has the same bits on any
// number of threads.
#include <array>

#include "allocation_counter.hpp"
#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif

namespace {
using namespace loss_test;

oracle::loss_problem large_batch() {
  return batch_of(17, {40, 3, 65, 1, 0, 33}, {37, 5, 64, 2, 4, 0}, 301, 277);
}
template <class Action>
long allocations_during(Action action) {
  long const before = allocations;
  action();
  return allocations - before;
}
}  // namespace

TEST_CASE("the counter of allocations counts") {
  CHECK(allocations_during([] { std::vector<int> const v(100, 1); }) > 0);
}

TEMPLATE_LIST_TEST_CASE("a second call allocates nothing", "", every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  for (double const epsilon : {0.1, 1e-4})
    for (bool const own : {false, true}) {
      auto p = large_batch();
      p.epsilon = epsilon, p.own_transport_ranking = own;
      owned_loss<T> owned(p);
      REQUIRE(owned.run(device).ok());  // OpenMP starts its threads
      mlot::status s;
      std::size_t size = 0;
      CHECK(allocations_during([&] {
              size = mlot::workspace_size(device, owned.loss);
              s = mlot::compute(device, owned.loss, {owned.scratch.data(), size});
            }) == 0);
      CHECK(s.ok());
      owned.student(2, 0) = std::numeric_limits<T>::quiet_NaN();  // nor does a refusal
      CHECK(allocations_during([&] {
              s = mlot::compute(device, owned.loss, {owned.scratch.data(), size});
            }) == 0);
      CHECK(!s.ok());
    }
}

TEMPLATE_LIST_TEST_CASE("exactly workspace_size bytes are enough, wherever they begin", "",
                        every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  auto p = large_batch();
  for (bool const own : {false, true})
    for (bool const lean : {false, true}) {
      p.own_transport_ranking = own;
      owned_loss<T> expected(p), owned(p);
      for (auto* const o : {&expected, &owned})
        if (lean) o->loss.plan = {}, o->loss.teacher_columns = {}, o->loss.sequence_terms = {};
      REQUIRE(expected.run(device).ok());
      std::size_t const size = mlot::workspace_size(device, owned.loss), guard = 4096;
      for (std::size_t const skip : std::array<std::size_t, 5>{0, 1, 8, 33, 63}) {
        std::vector<std::byte> memory(size + skip + 2 * guard, std::byte{0x5a});
        REQUIRE(mlot::compute(device, owned.loss, {memory.data() + guard + skip, size}).ok());
        auto const untouched = [](auto first, auto last) {
          return std::all_of(first, last, [](std::byte b) { return b == std::byte{0x5a}; });
        };
        auto const first = memory.begin() + std::ptrdiff_t(guard + skip);
        CHECK(untouched(memory.begin(), first));
        CHECK(untouched(first + std::ptrdiff_t(size), memory.end()));
        CHECK(owned.same_bits(expected));
      }
    }
}

TEMPLATE_LIST_TEST_CASE("what a workspace held before changes nothing", "", every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  auto const p = large_batch();
  owned_loss<T> poisoned(p), cleared(p);
  REQUIRE(poisoned.run(device).ok());  // all bits set
  cleared.scratch.assign(mlot::workspace_size(device, cleared.loss), std::byte{0});
  REQUIRE(
      mlot::compute(device, cleared.loss, {cleared.scratch.data(), cleared.scratch.size()}).ok());
  CHECK(cleared.same_bits(poisoned));
}

TEMPLATE_LIST_TEST_CASE("1, 2 and 4 threads give the same bits", "", every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  for (double const epsilon : {0.1, 1e-4}) {
    auto p = large_batch();
    p.epsilon = epsilon;
    owned_loss<T> expected(p);
#ifdef _OPENMP
    int const before = omp_get_max_threads();
    omp_set_num_threads(1);
#endif
    REQUIRE(expected.run(device).ok());
    for (int const threads : {2, 4}) {
      INFO(threads);
#ifdef _OPENMP
      omp_set_num_threads(threads);
#endif
      for (int again = 0; again < 3; ++again) {
        owned_loss<T> owned(p);
        REQUIRE(owned.run(device).ok());
        CHECK(owned.same_bits(expected));
      }
    }
#ifdef _OPENMP
    omp_set_num_threads(before);
#endif
  }
}
