#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "devices.hpp"
#include "mlot/core/compute.hpp"
#include "mlot/interop/describe.hpp"
#include "test.hpp"
namespace kit {
/// Runs a primitive in exactly the scratch memory that it asks for: misaligned, full of NaN, and
/// watched on both sides.
template <class Device, class Primitive>
mlot::status run(Primitive const& primitive) {
  std::size_t const size = mlot::workspace_size(Device{}, primitive), watched = 128;
  std::vector<std::byte> memory(size + 2 * watched + 1, std::byte(0xff));
  std::byte* const lent = memory.data() + watched + 1;
  mlot::status const answer =
      kit::in_the_end<Device>(mlot::compute(Device{}, primitive, {lent, size}));
  auto const spared = [](std::byte b) { return b == std::byte(0xff); };
  REQUIRE(std::all_of(memory.data(), lent, spared));
  REQUIRE(std::all_of(lent + size, memory.data() + memory.size(), spared));
  return answer;
}

/// Runs a primitive that has nothing wrong.
template <class Device, class Primitive>
void succeeds(Primitive const& primitive) {
  REQUIRE(mlot::describe(run<Device>(primitive)) == "ok");
}

/// Changes one thing of a right primitive; compute must answer that fault and name that argument.
template <class Device, class Primitive>
void refuses(Primitive wrong, mlot::fault code, std::string const& argument, auto change) {
  change(wrong);
  std::vector<std::byte> scratch(1 << 16);
  mlot::status const answer =
      kit::in_the_end<Device>(mlot::compute(Device{}, wrong, {scratch.data(), scratch.size()}));
  INFO(argument);
  CHECK(int(answer.code) == int(code));
  CHECK(answer.argument == argument);
  CHECK(std::string(answer.allowed) != "");
}
}  // namespace kit
