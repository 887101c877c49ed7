#pragma once
#include "mlot/cuda/loops.cuh"
#include "mlot/scalar/loops.hpp"
