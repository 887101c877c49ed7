#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "mlot/loss/multi_level_options.hpp"
namespace mlot_cli {
using mlot::index_t;

enum class command { loss, check_gradient };

/// What the command line says. Numbers keep the paper's defaults; the library checks their ranges.
struct settings {
  command run = command::loss;
  std::string teacher, student;        ///< .npy files of logits
  std::string labels, teacher_labels;  ///< .npy files, or empty: none
  std::string gradient, plan;          ///< .npy files to write, or empty: none
  bool reference_code = false, simd = false, f32 = false;

  index_t k = 50, iterations = 20;
  double temperature = 1, transport_temperature = 2, epsilon = 0.1;
  double alpha = 0.15, beta = 0.1, gamma = 0.1, weight = 1;
  std::optional<double> teacher_temperature;  ///< not given: temperature
  mlot::column_matching matching = mlot::column_matching::rank;
  bool own_ranking = false, plan_constant = false, token_level = false;
  bool skip_student_end = false, skip_teacher_end = false;

  index_t samples = 20, seed = 0;
  std::optional<double> tolerance;  ///< not given: depends on the precision
  double step = 1e-5;
};

/// Whether this program has the simd device.
bool has_simd();

/// Throws user_error for what cannot be meant. Nothing to run where --help was asked and printed.
std::optional<settings> read_command_line(int count, char const* const* words);
}  // namespace mlot_cli
