#pragma once
#include <filesystem>
#include <optional>

#include "distill/trainer.hpp"
namespace distill {
/// All that the command line decides.
struct settings {
  std::filesystem::path corpus;  ///< empty: Jane Austen's novels
  std::filesystem::path out = "build/distill";
  index_t seeds = 3;
  index_t threads = 1;
  index_t teacher_pieces = 4000, student_pieces = 1500;
  index_t train_segments = 800, held_out_segments = 256;
  int teacher_order = 4;
  bool check = false;
  training_options training;
};

/// Nothing where the user only asked for help, which is then printed. Throws user_error.
std::optional<settings> parse_command_line(int argc, char const* const* argv);
}  // namespace distill
