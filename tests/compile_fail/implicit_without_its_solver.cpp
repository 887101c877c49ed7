// must not compile: mlot: Eigen solves the implicit derivative; include mlot/interop/implicit.hpp
#include <mlot/scalar/sinkhorn_gradient.hpp>
#if MLOT_MUST_NOT_COMPILE
using kind = mlot::derivative::implicit;
#else
using kind = mlot::derivative::envelope;
#endif

mlot::status answer(mlot::sinkhorn_gradient<float, mlot::host_memory, kind> const& p) {
  return mlot::compute(mlot::on::scalar{}, p);
}
