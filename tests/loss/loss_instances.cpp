#define LOSS_INSTANCES_HERE
#include "loss/loss_instances.hpp"

LOSS_INSTANCES(, mlot::on::scalar)
#if MLOT_TEST_GRID
LOSS_INSTANCES(, mlot::on::grid_under_test)
#elif MLOT_TEST_SIMD
LOSS_INSTANCES(, mlot::on::simd<>)
#endif
