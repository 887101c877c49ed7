#include "mlot/core/workspace.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "mlot/core/compute.hpp"
#include "mlot/core/pipeline.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot/scalar/device.hpp"
#include "test.hpp"

namespace mine {
struct nothing {
  using memory = mlot::host_memory;
  mlot::status check() const { return {}; }
};
mlot::status run(mlot::on::scalar, nothing const&, mlot::workspace<mlot::host_memory>) {
  return {};
}
}  // namespace mine

/// Sums x by way of a copy in scratch memory.
namespace mine {
using namespace mlot;
struct total {
  using memory = host_memory;
  host::vector<double const> x{};
  double* out = nullptr;
  status check() const { return requirement().finite("total.x", x.empty() ? 0 : x(0)).answer(); }
};
struct copies {
  host::vector<double> one, two;
  copies(total const& p, arena<host_memory>& space)
      : one(space.vector<double>(p.x.size)), two(space.vector<double>(p.x.size)) {}
};
std::size_t scratch_size(on::scalar, total const& p) {
  arena<host_memory> space;
  copies(p, space);
  return space.bytes();
}
status run(on::scalar, total const& p, workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  copies const c(p, space);
  *p.out = 0;
  for (index_t i = 0; i < p.x.size; ++i) c.one(i) = p.x(i), c.two(i) = 1;
  for (index_t i = 0; i < p.x.size; ++i) *p.out += c.one(i) * c.two(i);
  return {};
}
}  // namespace mine
using namespace mlot;

namespace {
std::uintptr_t address(void const* p) { return reinterpret_cast<std::uintptr_t>(p); }
/// Takes a few arrays and answers one past the last byte used.
std::byte const* take_some(arena<host_memory>& space, std::vector<std::uintptr_t>& begins) {
  auto const a = space.vector<float>(3);
  auto const b = space.matrix<double>(5, 7);
  auto const c = space.vector<half>(1);
  auto const d = space.vector<index_t>(16);
  for (void const* p :
       {(void const*)a.data, (void const*)b.data, (void const*)c.data, (void const*)d.data})
    begins.push_back(address(p));
  return space.counts_only() ? nullptr : reinterpret_cast<std::byte const*>(d.data + d.size);
}
}  // namespace

TEST_CASE("an arena without memory counts what one with memory uses", "[workspace]") {
  std::vector<std::uintptr_t> begins;
  arena<host_memory> counter;
  CHECK(counter.counts_only());
  CHECK(counter.bytes() == 0);
  take_some(counter, begins);
  std::size_t const asked = counter.bytes();
  CHECK(begins == std::vector<std::uintptr_t>(4));  // no memory, no pointers
  CHECK(asked == 64 + 320 + 64 + 128 + 64);         // whole lines, and one to align the first

  std::vector<std::byte> memory(asked + 64);
  for (std::size_t skip = 0; skip < 64; ++skip) {  // wherever the memory begins
    begins.clear();
    arena<host_memory> space(workspace<host_memory>{memory.data() + skip, asked});
    CHECK_FALSE(space.counts_only());
    std::byte const* const end = take_some(space, begins);
    for (std::uintptr_t const begin : begins) REQUIRE(begin % 64 == 0);
    REQUIRE(begins[0] >= address(memory.data() + skip));
    REQUIRE(begins[1] >= begins[0] + 12);
    REQUIRE(begins[2] >= begins[1] + 280);
    REQUIRE(begins[3] >= begins[2] + 2);
    REQUIRE(end <= memory.data() + skip + asked);
    REQUIRE(space.bytes() == asked);
  }
}

TEST_CASE("what an arena leaves lies behind what was taken", "[workspace]") {
  alignas(64) std::byte memory[512];
  arena<host_memory> space(workspace<host_memory>{memory, 512});
  auto const taken = space.vector<double>(9);
  workspace<host_memory> const left = space.rest(256);
  CHECK(left.data == memory + 128);
  CHECK(left.size == 256);
  CHECK(address(taken.data + 9) <= address(left.data));
  CHECK(arena<host_memory>{}.rest(256).data == nullptr);
  CHECK(arena<host_memory>{}.rest(256).size == 0);
}

TEST_CASE("a primitive without scratch_size needs no workspace", "[workspace]") {
  CHECK(workspace_size(on::scalar{}, mine::nothing{}) == 0);
  CHECK(compute(on::scalar{}, mine::nothing{}).ok());
}

TEST_CASE("compute answers too small a workspace with the bytes it was given", "[workspace]") {
  std::vector<double> const x(33, 2);
  double out = -1;
  mine::total const p{{x.data(), 33}, &out};
  std::size_t const needed = workspace_size(on::scalar{}, p);
  CHECK(needed == 2 * 320 + 64);
  std::vector<std::byte> memory(needed + 1);
  auto const answer = [&](workspace<host_memory> scratch) {
    return compute(on::scalar{}, p, scratch);
  };
  for (std::size_t const size : {std::size_t(0), std::size_t(1), needed - 1}) {
    status const s = answer({memory.data(), size});
    CHECK(s.code == fault::workspace);
    CHECK(s.argument == std::string("compute.scratch"));
    CHECK(s.value == double(size));
  }
  CHECK(answer({}).code == fault::workspace);
  CHECK(answer({nullptr, needed}).code == fault::workspace);
  CHECK(out == -1);
  CHECK(answer({memory.data() + 1, needed}).ok());  // misaligned
  CHECK(out == 66);
}

TEST_CASE("compute checks the arguments before it looks at the workspace", "[workspace]") {
  double const infinite = infinity<double>;
  double out = -1;
  status const s = compute(on::scalar{}, mine::total{{&infinite, 1}, &out});
  CHECK(s.code == fault::value);
  CHECK(s.argument == std::string("total.x"));
  CHECK(out == -1);
}

TEST_CASE("a scratch buffer grows to the largest call and is kept", "[workspace]") {
  std::vector<double> const x(100, 1);
  double out = 0;
  scratch_buffer scratch;
  mine::total const large{{x.data(), 100}, &out}, small{{x.data(), 3}, &out};
  auto const first = scratch.for_call(on::scalar{}, large);
  auto const second = scratch.for_call(on::scalar{}, small);
  CHECK(first.size >= workspace_size(on::scalar{}, large));
  CHECK(second.data == first.data);
  CHECK(compute(on::scalar{}, large, scratch.for_call(on::scalar{}, large)).ok());
  CHECK(out == 100);
}

TEST_CASE("a pipeline counts the memory that it uses, wherever that begins", "[workspace]") {
  std::vector<double> const x(40, 3);
  double first = 0, second = 0;
  auto const list = [&](auto& line) {
    auto const kept = line.template vector<double>(40);
    line.step(mine::total{{x.data(), 40}, &first});
    auto const table = line.template matrix<float>(3, 5);
    line.step(mine::total{{x.data(), 20}, &second});
    return kept.data != nullptr && table.data != nullptr;
  };
  pipeline<on::scalar> counting{on::scalar{}};
  CHECK_FALSE(list(counting));
  CHECK(counting.answer().ok());
  CHECK(first == 0);  // counting runs nothing
  std::vector<std::byte> memory(counting.bytes() + 64);
  for (std::size_t const skip : {0u, 1u, 8u, 63u}) {
    first = second = 0;
    pipeline<on::scalar> running(on::scalar{}, {memory.data() + skip, counting.bytes()});
    CHECK(list(running));
    CHECK(running.answer().ok());
    CHECK(first == 120);
    CHECK(second == 60);
  }
}

TEST_CASE("a pipeline stops at its first fault and gives data the caller's name", "[workspace]") {
  double const bad = -infinity<double>, good = 1;
  double out = -1;
  std::vector<std::byte> memory(4096);
  pipeline<on::scalar> line(on::scalar{}, {memory.data(), memory.size()});
  line.step(mine::total{{&bad, 1}, &out}, "loss.x");
  line.step(mine::total{{&good, 1}, &out});
  CHECK(line.answer().code == fault::value);
  CHECK(line.answer().argument == std::string("total.x"));  // a value keeps its own name
  CHECK(out == -1);
}
