#include "mlot/simd.hpp"
using scratch = mlot::workspace<mlot::host_memory>;
mlot::status call(mlot::sinkhorn<float, mlot::host_memory> const& p, scratch own) {
  return mlot::compute(mlot::on::simd<>{}, p, own);
}
mlot::status call(mlot::sinkhorn_gradient<float, mlot::host_memory> const& p, scratch own) {
  return mlot::compute(mlot::on::simd<>{}, p, own);
}
