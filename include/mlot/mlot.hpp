#pragma once
/// Everything for the host's scalar device, in layer order. Add mlot/simd.hpp for on::simd.
#include "mlot/core/version.hpp"
//
#include "mlot/loss/answer_windows.hpp"
#include "mlot/loss/multi_level.hpp"
#include "mlot/loss/reference_code.hpp"
//
#include "mlot/cost/squared_difference.hpp"
#include "mlot/scalar/aligned_terms.hpp"
#include "mlot/scalar/column_probabilities.hpp"
#include "mlot/scalar/cross_entropy.hpp"
#include "mlot/scalar/deviation_temperature.hpp"
#include "mlot/scalar/gather_columns.hpp"
#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/scalar/pairwise_cost.hpp"
#include "mlot/scalar/problem_copy.hpp"
#include "mlot/scalar/sequence_totals.hpp"
#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/scalar/sinkhorn_gradient.hpp"
#include "mlot/scalar/table_product.hpp"
#include "mlot/scalar/table_softmax.hpp"
#include "mlot/scalar/top_columns.hpp"
#include "mlot/scalar/vocabulary_mass.hpp"
