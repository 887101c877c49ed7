// must not compile: ignoring return
#include <mlot/scalar/top_columns.hpp>
#pragma GCC diagnostic error "-Wunused-result"

void forget(mlot::top_columns<float, mlot::host_memory> const& p) {
#if MLOT_MUST_NOT_COMPILE
  mlot::compute(mlot::on::scalar{}, p);
#else
  static_cast<void>(mlot::compute(mlot::on::scalar{}, p));
#endif
}
