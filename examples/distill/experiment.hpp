#pragma once
#include "distill/trainer.hpp"
namespace distill {
/// Runs with cross-entropy alone and with the loss added, seed by seed alike in all else.
struct comparison {
  loss_kind loss = loss_kind::multi_level;
  std::vector<run_record> plain, distilled;  ///< one a seed
  std::unique_ptr<trainer> example;          ///< the first seed's distilled student
};

/// Trains all students, `threads` at a time.
comparison compare(training_data const& data, logit_source const& teacher,
                   training_options const& options, index_t seeds, index_t threads);
}  // namespace distill
