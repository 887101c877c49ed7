// Compiled for every instruction set with little optimisation or none: a macro that wants a
// constant then gets none.
#include "mlot/simd.hpp"

mlot::status small(mlot::sinkhorn<float, mlot::host_memory> const& transport,
                   mlot::vocabulary_mass<float, mlot::half, mlot::host_memory> const& mass,
                   mlot::workspace<mlot::host_memory> scratch) {
  mlot::on::simd<> const device;
  if (mlot::status const s = mlot::compute(device, transport, scratch); !s.ok()) return s;
  return mlot::compute(device, mass, scratch);
}
double small(double x) {
  xsimd::batch<double> const lanes(x);
  return mlot::simd::first_lane(mlot::simd::any_logarithm(mlot::simd::exponential(lanes)));
}
