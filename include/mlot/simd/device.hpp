#pragma once
#include <xsimd/xsimd.hpp>

#include "mlot/core/workspace.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::simd {
/// xsimd lanes within a row, OpenMP threads over rows and sequences where it is compiled in.
/// Derives from scalar, so a primitive without a simd version runs the scalar one. Arch is in the
/// type, so code built for two instruction sets never shares a kernel symbol. Same bits for any
/// number of threads: work is cut and summed in an order that does not depend on them.
template <class Arch>
struct device : scalar::device {};
/// The scalar device's version, where a view's strides are not ones that lanes can read: seldom
/// needed, and compiled for size.
template <class Primitive>
[[gnu::cold, gnu::noinline, gnu::flatten]] status run_strided(Primitive const& p,
                                                              workspace<host_memory> scratch) {
  return run(scalar::device{}, p, scratch);
}
}  // namespace mlot::simd

namespace mlot::on {
template <class Arch = xsimd::default_arch>
using simd = mlot::simd::device<Arch>;
}  // namespace mlot::on
