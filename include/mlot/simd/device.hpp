#pragma once
#include <xsimd/xsimd.hpp>

#include "mlot/scalar/device.hpp"
namespace mlot::on {
/// xsimd lanes within a row, OpenMP threads over rows and sequences where it is compiled in.
/// Derives from scalar, so a primitive without a simd version runs the scalar one. Arch is in the
/// type, so code built for two instruction sets never shares a kernel symbol. Same bits for any
/// number of threads: work is cut and summed in an order that does not depend on them.
template <class Arch = xsimd::default_arch>
struct simd : scalar {};
/// The scalar device's version, where a view's strides are not ones that lanes can read: seldom
/// needed, and compiled for size.
template <class Primitive>
[[gnu::cold, gnu::noinline, gnu::flatten]] status run_strided(Primitive const& p,
                                                              workspace<host_memory> scratch) {
  return run(scalar{}, p, scratch);
}
}  // namespace mlot::on
