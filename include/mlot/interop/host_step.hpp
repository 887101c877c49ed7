#pragma once
#include <type_traits>

#include "mlot/core/compute.hpp"
#include "mlot/scalar/device.hpp"
/// What a loss on the host lists beside primitives.
namespace mlot::MLOT_SET {
/// Plain loops as a step of a pipeline, on the calling thread: body() answers a status, or nothing.
template <class Body>
struct host_step {
  using memory = host_memory;
  Body body;
  constexpr status check() const { return {}; }
};
template <class Body>
host_step(Body) -> host_step<Body>;

template <class Body>
status run(on::scalar, host_step<Body> const& p, workspace<host_memory>) {
  if constexpr (std::is_void_v<decltype(p.body())>) {
    p.body();
    return {};
  } else {
    return p.body();
  }
}

/// A primitive on arrays that the caller of the loss has never seen, or on a part of the caller's:
/// rename(s) turns a fault in its data into one of the loss.
template <class Primitive, class Rename>
struct renamed {
  using memory = typename Primitive::memory;
  Primitive of;
  Rename rename;
  constexpr status check() const { return of.check(); }
};
template <class Primitive, class Rename>
renamed(Primitive, Rename) -> renamed<Primitive, Rename>;

template <class Device, class Primitive, class Rename>
std::size_t scratch_size(Device device, renamed<Primitive, Rename> const& p) {
  return workspace_size(device, p.of);
}
template <class Device, class Primitive, class Rename>
status run(Device device, renamed<Primitive, Rename> const& p,
           workspace<typename Device::memory> scratch) {
  status const found = run(device, p.of, scratch);
  return found.code == fault::data ? p.rename(found) : found;
}
}  // namespace mlot::MLOT_SET
