#pragma once
/// Every loss, kind of divergence and ground cost, and what prepares their arguments: the list that
/// each umbrella includes beside its device's versions. It names no device: losses are lists of
/// primitives, and run where those have versions. (dual_space needs Eigen: interop/dual_space.hpp.)
#include "mlot/core/version.hpp"
//
#include "mlot/loss/answer_windows.hpp"
#include "mlot/loss/distillkitplus.hpp"
#include "mlot/loss/divergence_distillation.hpp"
#include "mlot/loss/multi_level.hpp"
#include "mlot/loss/rank_teacher.hpp"
#include "mlot/loss/reference_code.hpp"
#include "mlot/loss/sinkd.hpp"
#include "mlot/loss/sinkhorn_divergence.hpp"
#include "mlot/loss/universal_logit.hpp"
//
#include "mlot/divergence/adaptive_kl.hpp"
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/divergence/jensen_shannon.hpp"
#include "mlot/divergence/reverse_kl.hpp"
#include "mlot/divergence/skewed_kl.hpp"
#include "mlot/divergence/total_variation.hpp"
//
#include "mlot/cost/absolute_difference.hpp"
#include "mlot/cost/squared_difference.hpp"
//
#include "mlot/primitive/epsilon_schedule.hpp"
