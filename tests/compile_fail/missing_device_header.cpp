// must not compile: mlot::compute: no version for this device: include its header, mlot/mlot.hpp
#include <mlot/primitive/top_columns.hpp>
#include <mlot/scalar/device.hpp>
#if !MLOT_MUST_NOT_COMPILE
#  include <mlot/scalar/top_columns.hpp>
#endif

mlot::status answer(mlot::top_columns<float, mlot::host_memory> const& p) {
  return mlot::compute(mlot::on::scalar{}, p);
}
