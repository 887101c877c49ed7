#pragma once
#include <cstddef>
#include <type_traits>

#include "mlot/core/status.hpp"
#include "mlot/core/workspace.hpp"
namespace mlot::MLOT_SET {
/// Bytes of scratch that compute(device, p, ...) needs; depends on shapes, options and device,
/// never on data or on the number of threads. A primitive that needs any has a scratch_size(device,
/// p) beside its run().
template <class Device, class Primitive>
std::size_t workspace_size(Device device, Primitive const& p) {
  if constexpr (requires { scratch_size(device, p); })
    return scratch_size(device, p);
  else
    return 0;
}

namespace detail {
[[gnu::noinline]] inline status unusable_scratch(void const* data, std::size_t size,
                                                 std::size_t needed) {
  status s = null_pointer("compute.scratch");
  s.code = fault::workspace;
  if (size >= needed && data == nullptr) return s;
  s.allowed = "at least workspace_size(device, p)";
  s.value = double(size);
  s.axis = "bytes";
  s.needed = index_t(needed);
  return s;
}
}  // namespace detail

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
      "mlot::compute: no version for this device: include its header, mlot/mlot.hpp, mlot/simd.hpp "
      "or mlot/mlot.cuh; what is for the host's devices alone stands in docs/cuda.md");
  if (status const checked = detail::check_arguments(p); !checked.ok()) return checked;
  std::size_t const needed = workspace_size(device, p);
  if (scratch.size < needed || (scratch.size > 0 && scratch.data == nullptr))
    return detail::unusable_scratch(scratch.data, scratch.size, needed);
  return run(device, p, scratch);
}
}  // namespace mlot::MLOT_SET
