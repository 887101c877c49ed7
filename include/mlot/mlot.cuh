#pragma once
/// Everything for on::cuda: the losses, the kernels and the device. Needs a CUDA compiler.
#include "mlot/cuda/device.cuh"
#include "mlot/grid.hpp"
