#pragma once
#include "distill/arguments.hpp"
#include "distill/loss_options.hpp"
namespace distill {
/// The options of the command line that choose a loss and tell it something.
class loss_arguments {
 public:
  explicit loss_arguments(CLI::App& app);
  loss_arguments(loss_arguments const&) = delete;
  loss_arguments& operator=(loss_arguments const&) = delete;

  /// What was chosen, once the line is parsed; what was not said is the loss's own. Throws
  /// user_error at an option of another loss, a device that is not there, two tokenizers where the
  /// loss wants one, a check of what has no derivative.
  loss_options chosen(bool one_vocabulary, bool check) const;

 private:
  loss_options loss_;
  CLI::Option *device_, *alpha_, *temperature_;
  std::vector<CLI::Option*> of_transport_, of_multi_level_;
};
}  // namespace distill
