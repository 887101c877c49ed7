#pragma once
#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
#include "mlot/primitive/sinkhorn.hpp"
namespace mlot::MLOT_SET {
/// Where a sequence's columns come from.
enum class column_matching {
  rank,    ///< either side's own ids of largest mass, rank by rank
  given,   ///< the caller's columns
  greedy,  ///< the teacher's ids of largest mass, one after another, each with the student's free
           ///< id whose probabilities differ least
  exact  ///< the teacher's ids of largest mass with the student's ids so that the sum differs least
};
/// Which columns the transport cost compares.
enum class transport_ranking {
  shared,  ///< those chosen at `temperature`
  own      ///< ranked again at `transport_temperature`
};
/// What the Sinkhorn distance moves to what.
enum class transport_level {
  sequence,  ///< all tokens of the teacher's sequence to all of the student's: the paper
  token      ///< at every pair of tokens in the same place, the teacher's columns to the student's
};
/// What the gradient of the Sinkhorn distance holds constant.
enum class sinkhorn_derivative {
  unrolled,      ///< nothing: the exact derivative of the N iterations
  plan_constant  ///< the transport plan: dSD/dC = P, cheaper and biased
};
/// What the loss and its terms are divided by.
enum class reduction {
  sum,             ///< 1: the paper
  mean_per_token,  ///< the student's tokens in this call
  divisor          ///< a number of the caller's: tokens of all calls under gradient accumulation
};
/// Places in multi_level::terms.
namespace multi_level_term {
enum : index_t { cross_entropy, absolute_difference, logarithmic, sinkhorn, total, count };
}

/// Options of the loss; the defaults are the paper's.
template <real T>
struct multi_level_options {
  index_t k = 50;                  ///< columns kept of either vocabulary, at least 1
  T temperature = T(1);            ///< tau of HAD, SL and the ranking, above 0
  T teacher_temperature = T(0);    ///< the teacher's tau; 0: the same
  T transport_temperature = T(2);  ///< tau_sd of the transport cost, above 0
  T epsilon = T(0.1);              ///< the paper's lambda, in units of cost, above 0
  index_t iterations = 20;         ///< N, at least 1
  T alpha = T(0.15);               ///< weight of the distillation terms against cross-entropy
  T holistic = T(1);               ///< weight of HAD within them: 1, or 0 for the others alone
  T beta = T(0.1);                 ///< weight of SL within them
  T gamma = T(0.1);                ///< weight of SD within them
  column_matching matching = column_matching::rank;
  transport_ranking ranking = transport_ranking::shared;
  transport_level level = transport_level::sequence;
  sinkhorn_derivative derivative = sinkhorn_derivative::unrolled;
  sinkhorn_domain domain = sinkhorn_domain::automatic;
  /// Bytes for the cost matrices and plans of the batch, at least 0. Beyond it costs are computed
  /// in every sweep (0: always), unless a plan is asked for.
  index_t cost_memory = index_t(1) << 31;
  reduction reduce = reduction::sum;
  T divisor = T(1);  ///< for reduction::divisor, above 0
};
}  // namespace mlot::MLOT_SET
