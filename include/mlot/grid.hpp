#pragma once
/// Everything for devices made of blocks of threads but the device itself: the losses, and kernels.
#include "mlot/loss/multi_level.hpp"
#include "mlot/loss/reference_code.hpp"
#include "mlot/loss/sinkhorn_divergence.hpp"
//
#include "mlot/grid/cross_entropy.hpp"
#include "mlot/grid/deviation_temperature.hpp"
#include "mlot/grid/gather_columns.hpp"
#include "mlot/grid/logit_gradient.hpp"
#include "mlot/grid/table_softmax.hpp"
#include "mlot/grid/top_columns.hpp"
#include "mlot/grid/vocabulary_mass.hpp"
