// Kernels in lanes, compiled as users compile, for contraction.awk.
#include "mlot/instances.hpp"
#include "mlot/simd.hpp"
namespace {
using simd_device = mlot::on::simd<>;
}
MLOT_MIXED_INSTANCES(, simd_device)
MLOT_TABLE_INSTANCES(, simd_device, float)
MLOT_TRANSPORT_INSTANCES(, simd_device, float)
MLOT_LOGIT_INSTANCES(, simd_device, float, float)
MLOT_GRADIENT_INSTANCES(, simd_device, float, float, float)
MLOT_DIVERGENCE_INSTANCES(, simd_device, float, float, float, dense_teacher)
MLOT_KIND_INSTANCES(, simd_device, float, float, float, sparse_teacher, mlot::forward_kl)
MLOT_TABLE_INSTANCES(, simd_device, double)
MLOT_LOGIT_INSTANCES(, simd_device, double, double)
MLOT_KIND_INSTANCES(, simd_device, double, double, double, dense_teacher,
                    mlot::jensen_shannon<double>)
MLOT_GROUND_INSTANCES(, simd_device, double, mlot::squared_difference)

/// What the test looks for; it fails where it does not find this one.
xsimd::batch<float> plain_sum(xsimd::batch<float> x, xsimd::batch<float> y, xsimd::batch<float> z) {
  return x * y + z;
}
