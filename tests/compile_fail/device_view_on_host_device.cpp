// must not compile: mlot::compute: these views live in one memory and this device reads another
#include <mlot/scalar/top_columns.hpp>

mlot::status answer() {
#if MLOT_MUST_NOT_COMPILE
  mlot::top_columns<float, mlot::device_memory> const p{};
#else
  mlot::top_columns<float, mlot::host_memory> const p{};
#endif
  return mlot::compute(mlot::on::scalar{}, p);
}
