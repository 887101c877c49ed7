#pragma once
#include "mlot/grid.hpp"
#if defined(__CUDACC__)
#  include "grid/card.cuh"
#else
#  include "grid/emulated.hpp"
#endif
namespace kit {
#if defined(__CUDACC__)
using grid_under_test = card;
#else
using grid_under_test = emulated<>;
#endif
}  // namespace kit
