#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>
namespace mlot_cli {
/// What --loss may name, in the order of all_losses().
enum class loss_name {
  multi_level,
  universal_logit,
  sinkd,
  forward_kl,
  reverse_kl,
  jensen_shannon,
  skewed_kl,
  skewed_reverse_kl,
  adaptive_kl,
  total_variation,
  reference_code,
  distillkitplus
};

/// What the command line must know of a loss; how it is computed stands in evaluate.cpp.
struct loss_entry {
  loss_name loss;
  std::string_view word;                  ///< behind --loss
  std::string_view total;                 ///< what it adds up, in the terms that it prints
  std::vector<std::string_view> options;  ///< beside those of every loss
  bool one_vocabulary = false;            ///< the same ids of both models are compared
  bool needs_labels = false;              ///< of both models: which positions it compares
  bool adds_sequences = true;             ///< a sequence counts the same whatever is beside it

  bool takes(std::string_view option) const;
};
std::span<loss_entry const> all_losses();
loss_entry const& entry_of(loss_name loss);
}  // namespace mlot_cli
