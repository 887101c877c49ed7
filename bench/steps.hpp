#pragma once
#include <algorithm>
#include <mlot/interop/describe.hpp>
#include <mlot/simd.hpp>
#include <stdexcept>
#include <tuple>

#include "inputs.hpp"
namespace bench {
/// Primitives or losses to be computed one after another, with the scratch memory of the hungriest.
template <class Device, class... Step>
class steps_on {
 public:
  steps_on(Device device, std::tuple<Step...> const& steps)
      : device_(device),
        steps_(steps),
        scratch_(std::apply(
            [&](auto const&... step) { return std::max({mlot::workspace_size(device, step)...}); },
            steps)) {}
  /// The first fault, or none.
  mlot::status compute() {
    mlot::status answer;
    auto const runs = [&](auto const& step) {
      answer = mlot::compute(device_, step, {scratch_.data(), scratch_.size()});
      return answer.ok();
    };
    std::apply([&](auto const&... step) { (void)(runs(step) && ...); }, steps_);
    return answer;
  }

 private:
  Device device_;
  std::tuple<Step...> steps_;
  array<std::byte> scratch_;
};

/// Makes the inputs of what is to be measured, by primitives that have benchmarks of their own.
template <class... Step>
void prepare(Step const&... step) {
  if (auto const s = steps_on(mlot::on::simd<>{}, std::tuple(step...)).compute(); !s.ok())
    throw std::logic_error("bench: " + mlot::describe(s));
}
}  // namespace bench
