#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "distill/types.hpp"
namespace distill {
enum class loss_kind {
  multi_level,
  universal_logit,
  sinkd,
  forward_kl,
  reverse_kl,
  jensen_shannon,
  skewed_kl,
  skewed_reverse_kl,
  adaptive_kl,
  total_variation
};

/// What the demo must know of a loss before it runs.
struct loss_facts {
  loss_kind kind;
  std::string_view name;                ///< on the command line
  std::string_view title;               ///< in tables and pictures
  bool one_vocabulary;                  ///< compares tokens by id: both sides read the same ones
  double alpha;                         ///< the weight that its source gives it, as ours counts it
  double temperature;                   ///< likewise
  std::vector<std::string_view> terms;  ///< of loss_terms::distance
};
std::span<loss_facts const> all_losses();
loss_facts const& facts_of(loss_kind kind);
/// "CE + " and its title.
std::string title_of(loss_kind kind);

enum class loss_device { scalar, simd, cuda };
enum class transport { sequences, tokens };
enum class matching { rank, greedy, exact };

/// Options of the distillation loss that the command line offers:
///
///   L = CE + alpha D,   D of MultiLevelOT = holistic HAD + beta SL + gamma SD
///
/// The defaults are MultiLevelOT's paper's. From k on, MultiLevelOT alone reads them, but for
/// epsilon and iterations, which SinKD reads too.
struct loss_options {
  loss_kind kind = loss_kind::multi_level;
  double alpha = 0.15;
  double temperature = 1;
  index_t k = 50;
  double holistic = 1, beta = 0.1, gamma = 0.1;
  double transport_temperature = 2;
  double epsilon = 0.1;
  index_t iterations = 20;
  transport level = transport::sequences;
  matching match = matching::rank;
  index_t cost_memory = index_t(1) << 31;  ///< bytes; beyond it no cost matrix is kept
  loss_device device = loss_device::scalar;

  bool operator==(loss_options const&) const = default;
  /// Whether it moves mass between the tokens of two sequences.
  bool has_plan() const {
    return kind == loss_kind::sinkd ||
           (kind == loss_kind::multi_level && level == transport::sequences);
  }
  /// Whether differences give its gradient. Adaptive KL's holds its shares constant; and where
  /// several exact matchings are best, SL and SD jump from one to the other.
  bool is_smooth() const {
    return kind != loss_kind::adaptive_kl &&
           (match != matching::exact || (beta == 0 && gamma == 0));
  }
};
/// A loss as its source weighs it.
loss_options options_of(loss_kind kind);
}  // namespace distill
