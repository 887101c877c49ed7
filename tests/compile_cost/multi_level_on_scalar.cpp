#include "mlot/mlot.hpp"
mlot::status call(mlot::multi_level<float> const& loss,
                  mlot::workspace<mlot::host_memory> scratch) {
  return mlot::compute(mlot::on::scalar{}, loss, scratch);
}
std::size_t size(mlot::multi_level<float> const& loss) {
  return mlot::workspace_size(mlot::on::scalar{}, loss);
}
