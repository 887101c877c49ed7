#pragma once
/// Everything for devices made of blocks of threads but the device itself: the losses, and kernels.
#include "mlot/loss/multi_level.hpp"
#include "mlot/loss/reference_code.hpp"
#include "mlot/loss/sinkhorn_divergence.hpp"
//
#include "mlot/grid/aligned_terms.hpp"
#include "mlot/grid/column_probabilities.hpp"
#include "mlot/grid/debiased_transport.hpp"
#include "mlot/grid/gather_columns.hpp"
#include "mlot/grid/pairwise_cost.hpp"
#include "mlot/grid/problem_copy.hpp"
#include "mlot/grid/sequence_totals.hpp"
#include "mlot/grid/table_product.hpp"
#include "mlot/grid/table_softmax.hpp"
