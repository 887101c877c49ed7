#pragma once
#include <cstddef>
#include <type_traits>

#include "mlot/core/status.hpp"
#include "mlot/core/workspace.hpp"
namespace mlot {
/// Bytes of scratch that compute(device, p, ...) needs; depends on shapes, options and device,
/// never on data or on the number of threads. A primitive that needs any has a scratch_size(device, p) beside its run().
template <class Device, class Primitive>
std::size_t workspace_size(Device device, Primitive const& p) {
  if constexpr (requires { scratch_size(device, p); })
    return scratch_size(device, p);
  else
    return 0;
}

/// Whether a device has a version of a primitive or loss, its own or one that it derives.
template <class Device, class Primitive>
concept has_version = requires(Device device, Primitive const& p,
                               workspace<typename Primitive::memory> scratch) {
  run(device, p, scratch);
};

namespace detail {
/// Out of line: a file has one copy of the checks of a primitive.
template <class Primitive>
[[gnu::noinline]] status check_arguments(Primitive const& p) {
  return p.check();
}
}  // namespace detail

/// The one door to every primitive and every loss: checks the arguments, then runs them on
/// `device`. Host devices finish before it returns; a CUDA launch is asynchronous on its stream.
///
/// Any number of calls may run at once, of one primitive or of several: from std::threads, from
/// inside a parallel region or a task of OpenMP, nested, with dynamic teams. They may share what
/// they read; scratch and what is written belong to one call alone until it is over. Nothing is
/// kept between calls. Inside an active parallel region of OpenMP a call keeps to its thread, else
/// it takes as many as its thread may: the results are the same, bit by bit. workspace_size may
/// have been asked on another thread, under another number of threads.
template <class Device, class Primitive>
status compute(Device device, Primitive const& p,
               workspace<typename Primitive::memory> scratch = {}) {
  static_assert(std::is_same_v<typename Device::memory, typename Primitive::memory>,
                "mlot::compute: these views live in one memory and this device reads another");
  static_assert(
      has_version<Device, Primitive>,
      "mlot::compute: no version for this device; include its header, e.g. mlot/mlot.hpp");
  if (status const checked = detail::check_arguments(p); !checked.ok()) return checked;
  if (scratch.size < workspace_size(device, p) || (scratch.size > 0 && scratch.data == nullptr))
    return {fault::workspace, "compute.scratch", "at least workspace_size(device, p) bytes",
            double(scratch.size)};
  return run(device, p, scratch);
}
}  // namespace mlot
