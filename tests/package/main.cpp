// What every project of this folder compiles and runs.
#if MLOT_COMPILED
#  include <mlot/instances.hpp>
using device = mlot::on::scalar;
#elif USE_SIMD
#  include <mlot/simd/top_columns.hpp>
using device = mlot::on::simd<>;
#else
#  include <mlot/scalar/top_columns.hpp>
using device = mlot::on::scalar;
#endif
#include <mlot/core/version.hpp>

int main() {
  float const mass[] = {0.1f, 0.6f, 0.3f};
  mlot::index_t ids[2] = {};
  mlot::top_columns<float, mlot::host_memory> const best{.mass = {mass, 1, 3, 3},
                                                         .ids = {ids, 1, 2, 2}};
  bool const right = mlot::compute(device{}, best).ok() && ids[0] == 1 && ids[1] == 2;
  return right && MLOT_VERSION_MAJOR == 0 ? 0 : 1;
}
