#pragma once
/// Everything for the host with SIMD: mlot.hpp, and the simd device's versions over xsimd.
#include "mlot/mlot.hpp"
//
#include "mlot/simd/aligned_terms.hpp"
#include "mlot/simd/barycentric_projection.hpp"
#include "mlot/simd/column_probabilities.hpp"
#include "mlot/simd/divergence.hpp"
#include "mlot/simd/gather_columns.hpp"
#include "mlot/simd/logit_gradient.hpp"
#include "mlot/simd/match_columns.hpp"
#include "mlot/simd/pairwise_cost.hpp"
#include "mlot/simd/plan_rows.hpp"
#include "mlot/simd/ranked_difference.hpp"
#include "mlot/simd/sinkhorn.hpp"
#include "mlot/simd/sinkhorn_gradient.hpp"
#include "mlot/simd/sparse_divergence.hpp"
#include "mlot/simd/top_columns.hpp"
#include "mlot/simd/vocabulary_mass.hpp"
