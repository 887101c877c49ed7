#pragma once
#include <xsimd/xsimd.hpp>

#include "mlot/core/workspace.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// xsimd lanes within a row, OpenMP threads over rows and sequences where it is compiled in.
/// Derives from scalar, so a primitive without a simd version runs the scalar one. Same bits for
/// any number of threads: work is cut and summed in an order that does not depend on them.
template <class Arch>
struct device : scalar::device {};
/// The scalar device's version, where a view's strides are not ones that lanes can read: seldom
/// needed, and compiled for size.
template <class Primitive>
[[gnu::cold, gnu::noinline, gnu::flatten]] status run_strided(Primitive const& p,
                                                              workspace<host_memory> scratch) {
  return run(scalar::device{}, p, scratch);
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS

namespace mlot::MLOT_SET::on {
template <class Arch = xsimd::default_arch>
using simd = mlot::simd::device<Arch>;
}  // namespace mlot::MLOT_SET::on
