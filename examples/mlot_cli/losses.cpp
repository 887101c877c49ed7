#include "mlot_cli/losses.hpp"

#include <algorithm>

namespace mlot_cli {
namespace {
loss_entry divergence(loss_name loss, std::string_view word,
                      std::vector<std::string_view> options = {}) {
  for (std::string_view const common :
       {"--temperature", "--teacher-temperature", "--ratio", "--temperature-squared"})
    options.push_back(common);
  return {.loss = loss,
          .word = word,
          .total = "(1 - ratio) cross_entropy + ratio divergence",
          .options = std::move(options),
          .one_vocabulary = true};
}
std::vector<loss_entry> const losses = {
    {.loss = loss_name::multi_level,
     .word = "multi-level",
     .total = "cross_entropy + weight alpha (absolute_difference + beta logarithmic + gamma "
              "sinkhorn)",
     .options = {"--k", "--temperature", "--teacher-temperature", "--transport-temperature",
                 "--epsilon", "--iterations", "--alpha", "--beta", "--gamma", "--weight",
                 "--matching", "--transport-ranking", "--transport-level", "--sinkhorn-gradient",
                 "--plan"}},
    {.loss = loss_name::universal_logit,
     .word = "universal-logit",
     .total = "cross_entropy + weight ranked_difference, a mean over the aligned tokens of each "
              "sequence",
     .options = {"--k", "--temperature", "--teacher-temperature", "--weight"}},
    {.loss = loss_name::sinkd,
     .word = "sinkd",
     .total = "cross_entropy + weight sinkhorn, between the rows of a sequence",
     .options = {"--temperature", "--epsilon", "--iterations", "--weight", "--sinkhorn-gradient",
                 "--plan"},
     .one_vocabulary = true},
    divergence(loss_name::forward_kl, "forward-kl"),
    divergence(loss_name::reverse_kl, "reverse-kl"),
    divergence(loss_name::jensen_shannon, "jensen-shannon", {"--beta"}),
    divergence(loss_name::skewed_kl, "skewed-kl", {"--lambda"}),
    divergence(loss_name::skewed_reverse_kl, "skewed-reverse-kl", {"--lambda"}),
    divergence(loss_name::adaptive_kl, "adaptive-kl"),
    divergence(loss_name::total_variation, "total-variation"),
    {.loss = loss_name::reference_code,
     .word = "reference-code",
     .total = "weight (absolute_difference + 0.1 logarithmic + 0.1 sinkhorn), as the authors' code "
              "has them",
     .options = {"--temperature", "--teacher-temperature", "--weight", "--matching",
                 "--skip-student-eos", "--skip-teacher-eos", "--plan"},
     .needs_labels = true,
     .adds_sequences = false},
    {.loss = loss_name::distillkitplus,
     .word = "distillkitplus",
     .total = "weight (absolute_difference + beta logarithmic + gamma sinkhorn), as that "
              "repository has them",
     .options = {"--k", "--temperature", "--beta", "--gamma", "--weight", "--plan"},
     .needs_labels = true,
     .adds_sequences = false}};
}  // namespace

bool loss_entry::takes(std::string_view option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}
std::span<loss_entry const> all_losses() { return losses; }
loss_entry const& entry_of(loss_name loss) { return losses[static_cast<std::size_t>(loss)]; }
}  // namespace mlot_cli
