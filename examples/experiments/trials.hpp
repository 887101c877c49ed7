#pragma once
#include <vector>

#include "experiments/table.hpp"
namespace experiments {
/// Trains students and remembers them: tables share rows, and rows share teachers.
class trials {
 public:
  trials(corpus const& text, distill::index_t seeds, distill::index_t threads);
  /// Trains what the table asks for and was not trained before, every seed.
  void train(table const& asked, account& done);
  /// One record a seed, 1, 2, ...
  std::vector<run_record> const& of(trial const& trained) const;

 private:
  struct entry {
    trial of;
    std::vector<run_record> runs;
  };
  entry const* find(trial const& one) const;
  course const& course_of(course_options const& options, account& done);

  corpus const& text_;
  distill::index_t seeds_, threads_;
  std::vector<entry> entries_;
  std::optional<course> course_;  ///< the last one: it takes memory
  course_options options_of_course_;
};
}  // namespace experiments
