#include <atomic>
#include <cstdlib>
#include <new>

#include "primitive/every_primitive.hpp"

#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#    define MLOT_TEST_SANITIZED 1
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define MLOT_TEST_SANITIZED 1
#endif

// Every allocation of this program is counted: operator new everywhere, and with glibc, where no
// sanitizer has replaced it, malloc itself.
namespace {
std::atomic<long> allocations{0};
}
#if defined(__GLIBC__) && !MLOT_TEST_SANITIZED
#  define MLOT_TEST_COUNTS_MALLOC 1
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t size) noexcept {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  ++allocations;
  return __libc_realloc(old, size);
}
}
#endif
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  std::size_t const a = std::size_t(alignment);
  if (void* const memory = std::aligned_alloc(a, (size + a - 1) / a * a)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

TEST_CASE("allocations are counted", "[allocation]") {
  long const before = allocations;
  int* volatile number = new int(3);
  delete number;
  long const after_new = allocations;
  void* volatile memory = std::malloc(100);
  std::free(memory);
  long const after_malloc = allocations;
  CHECK(after_new > before);
#if MLOT_TEST_COUNTS_MALLOC
  CHECK(after_malloc == after_new + 1);
#else
  CHECK(after_malloc == after_new);
#endif
}

TEMPLATE_LIST_TEST_CASE("no primitive allocates once it has run", "[allocation]", every_storage) {
  using Device = typename TestType::device;
  kit::every_primitive<typename TestType::scalar, typename TestType::storage> all;
  all.for_each([](char const* name, auto const& primitive) {
    std::size_t const size = mlot::workspace_size(Device{}, primitive);
    std::vector<std::byte> scratch(size);
    mlot::workspace<mlot::host_memory> const lent{scratch.data(), size};
    bool ok = mlot::compute(Device{}, primitive, lent).ok();  // threads start once
    long const before = allocations;
    for (int i = 0; i < 3; ++i) ok &= mlot::compute(Device{}, primitive, lent).ok();
    long const counted = allocations - before;
    INFO(name);
    CHECK(ok);
    CHECK(counted == 0);
  });
}
