// A program of files with one backend each, and of this one with all of them and a user's own.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string_view>

#include "grid/emulated.hpp"
#include "losses.hpp"
#include "mlot/grid.hpp"
#include "mlot/simd.hpp"

numbers with_simd();
numbers with_kernels();

namespace user {
struct device : kit::emulated<> {};
/// Goes before the kernels' version, though those are declared first.
mlot::status run(device, mlot::table_softmax<float, mlot::host_memory> const&,
                 mlot::workspace<mlot::host_memory>) {
  return {mlot::fault::device, "user::run", "nothing", 0};
}
}  // namespace user

namespace {
bool alike(char const* name, numbers const& some, numbers const& expected) {
  bool same = !some.empty() && some.size() == expected.size();
  for (std::size_t n = 0; same && n < some.size(); ++n)
    same = std::abs(some[n] - expected[n]) <= 1e-5f * (1 + std::abs(expected[n]));
  if (!same) std::printf("%s differs from the scalar device\n", name);
  return same;
}
}  // namespace

int main() {
  numbers const expected = losses_on(mlot::on::scalar());
  bool const same[] = {alike("on::simd here", losses_on(mlot::on::simd<>()), expected),
                       alike("on::simd of another file", with_simd(), expected),
                       alike("kernels here", losses_on(kit::emulated<>()), expected),
                       alike("kernels of another file", with_kernels(), expected),
                       alike("kernels of a user's device", losses_on(user::device()), expected)};
  float cell[1] = {};
  mlot::table_softmax<float, mlot::host_memory> const softmax{.table = {cell, 1, 1, 1},
                                                              .probability = {cell, 1, 1, 1}};
  bool const own = std::string_view(mlot::compute(user::device(), softmax).argument) == "user::run";
  if (!own) std::puts("a user's version was not called");
  return std::ranges::all_of(same, std::identity()) && own ? 0 : 1;
}
