// must not compile: mlot: -ffast-math (-ffinite-math-only) is refused: masked logits are -infinity
#if MLOT_MUST_NOT_COMPILE
#  undef __FINITE_MATH_ONLY__
#  define __FINITE_MATH_ONLY__ 1  // as -ffast-math does
#endif
#include <mlot/core/macros.hpp>
int const nothing = 0;
