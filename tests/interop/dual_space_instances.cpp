#define DUAL_SPACE_INSTANCES_HERE
#include "interop/dual_space_instances.hpp"

DUAL_SPACE_INSTANCES(, mlot::on::scalar)
#if MLOT_TEST_SIMD
DUAL_SPACE_INSTANCES(, mlot::on::simd<>)
#endif
