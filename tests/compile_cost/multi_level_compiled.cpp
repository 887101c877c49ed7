// Linked to mlot::compiled: the call itself is all that this file compiles.
#include "mlot/instances.hpp"
mlot::status call(mlot::multi_level<float> const& loss,
                  mlot::workspace<mlot::host_memory> scratch) {
  return mlot::compute(mlot::on::simd<>{}, loss, scratch);
}
std::size_t size(mlot::multi_level<float> const& loss) {
  return mlot::workspace_size(mlot::on::simd<>{}, loss);
}
