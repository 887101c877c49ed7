// What differs with OpenMP: two objects of it, with and without.
#include "mlot/interop/matrix_product.hpp"

mlot::status MLOT_TEST_PART(mlot::matrix_product<float> const& product) {
  mlot::simd::parallel_for(8, 1, 1, [](mlot::index_t) {});
  return run(mlot::scalar::device(), product, {});
}
