#pragma once
#include "distill/mlot_step.hpp"
namespace distill {
/// One parameter of the student: its gradient by backward and by central differences.
struct gradient_probe {
  index_t parameter = 0;
  double analytic = 0, numeric = 0;
};

struct gradient_report {
  std::vector<gradient_probe> probes;
  double largest_error = 0;  ///< of any probe, relative to the largest gradient among the probes
};

/// The whole chain in double: from the student's parameters through its logits, mlot's loss and
/// back, on a small random batch and a random teacher, at random parameters. alpha = 0 checks
/// the student with cross-entropy alone. Ranks and signs stand still under so small a step, so the
/// chain is smooth there.
gradient_report check_gradient(loss_options const& options, index_t probes, std::uint64_t seed);
}  // namespace distill
