// must not compile: mlot: a view holds floating-point, half, bfloat16 or integer elements
#include <mlot/core/view.hpp>

struct celsius {
  float degrees = 0;
};
#if !MLOT_MUST_NOT_COMPILE
template <>
struct mlot::scalar_traits<celsius> : mlot::arithmetic_scalar<celsius> {
  static double value(celsius const& x) { return x.degrees; }
};
#endif
mlot::host::matrix<celsius> const view{};
