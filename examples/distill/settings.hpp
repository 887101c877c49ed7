#pragma once
#include <filesystem>
#include <optional>

#include "distill/course.hpp"
namespace distill {
/// All that the command line decides.
struct settings {
  std::filesystem::path corpus;  ///< empty: Jane Austen's novels
  std::filesystem::path out = "build/distill";
  index_t seeds = 3;
  index_t threads = 1;
  distill::course_options course;
  bool check = false;
  training_options training;
};

/// Nothing where the user only asked for help, which is then printed. Throws user_error.
std::optional<settings> parse_command_line(int argc, char const* const* argv);
}  // namespace distill
