#define LOSS_INSTANCES_HERE
#include "loss/loss_instances.hpp"

LOSS_INSTANCES(, mlot::on::scalar)
#if MLOT_TEST_SIMD
LOSS_INSTANCES(, mlot::on::simd<>)
#endif
