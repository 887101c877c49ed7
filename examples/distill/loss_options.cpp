#include "distill/loss_options.hpp"

namespace distill {
std::span<loss_facts const> all_losses() {
  using enum loss_kind;
  static std::vector<loss_facts> const all = {
      {multi_level, "multi-level", "MultiLevelOT", false, 0.15, 1, {"HAD", "SL", "SD"}},
      {universal_logit, "universal-logit", "ULD", false, 1.5, 1, {"ULD"}},
      {sinkd, "sinkd", "SinKD", true, 1, 2, {"SD"}},
      {forward_kl, "forward-kl", "forward KL", true, 1, 1, {"KL"}},
      {reverse_kl, "reverse-kl", "reverse KL", true, 1, 1, {"KL"}},
      {jensen_shannon, "jensen-shannon", "Jensen-Shannon", true, 1, 1, {"JS"}},
      {skewed_kl, "skewed-kl", "skewed KL", true, 1, 1, {"KL"}},
      {skewed_reverse_kl, "skewed-reverse-kl", "skewed reverse KL", true, 1, 1, {"KL"}},
      {adaptive_kl, "adaptive-kl", "adaptive KL", true, 1, 1, {"KL"}},
      {total_variation, "total-variation", "total variation", true, 1, 1, {"TV"}}};
  return all;
}

loss_facts const& facts_of(loss_kind kind) {
  for (loss_facts const& facts : all_losses())
    if (facts.kind == kind) return facts;
  throw std::logic_error("a loss without facts");
}

std::string title_of(loss_kind kind) { return "CE + " + std::string(facts_of(kind).title); }

loss_options options_of(loss_kind kind) {
  loss_facts const& facts = facts_of(kind);
  return {.kind = kind, .alpha = facts.alpha, .temperature = facts.temperature};
}
}  // namespace distill
