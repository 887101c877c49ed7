#include "allocation_counter.hpp"
#include "primitive/every_primitive.hpp"
#include "primitive/thread_count.hpp"

TEST_CASE("allocations are counted", "[allocation]") {
#if MLOT_TEST_SANITIZED
  REQUIRE(hooked != 0);
#endif
  long const before = allocations;
  int* volatile number = new int(3);
  delete number;
  CHECK(allocations > before);
}

// One thread, and several where the OpenMP runtime itself does not allocate whenever it forks:
// clang's does.
#if defined(__clang__)
constexpr int thread_counts[] = {1};
#else
constexpr int thread_counts[] = {1, 4};
#endif

TEMPLATE_LIST_TEST_CASE("no primitive allocates once it has run", "[allocation]", every_storage) {
  using Device = typename TestType::device;
  for (int const threads : thread_counts) {
    kit::thread_count const set(threads);
    kit::every_primitive<typename TestType::scalar, typename TestType::storage> all;
    auto const repeat = [&](char const* name, auto const& primitive) {
      std::size_t const size = mlot::workspace_size(Device{}, primitive);
      std::vector<std::byte> scratch(size);
      mlot::workspace<mlot::host_memory> const lent{scratch.data(), size};
      bool ok = mlot::compute(Device{}, primitive, lent).ok();  // threads start once
      long const before = allocations;
      for (int i = 0; i < 3; ++i) ok &= mlot::compute(Device{}, primitive, lent).ok();
      long const counted = allocations - before;
      CAPTURE(name, threads);
      CHECK(ok);
      CHECK(counted == 0);
    };
    all.for_each(repeat);
    all.for_each_composite(repeat);
  }
}
