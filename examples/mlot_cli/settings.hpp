#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "mlot/loss/multi_level_options.hpp"
#include "mlot_cli/losses.hpp"
namespace mlot_cli {
using mlot::index_t;

enum class command { loss, check_gradient, teacher };

/// What the command line says. The library checks ranges; what is not given is as the loss has it.
struct settings {
  command run = command::loss;
  loss_name loss = loss_name::multi_level;
  std::string teacher, student;        ///< .npy files of logits; the teacher's tables
  std::string labels, teacher_labels;  ///< .npy files, or empty: none
  std::string gradient, plan;          ///< .npy files to write, or empty: none
  std::string out;                     ///< .safetensors file to write
  bool simd = false, f32 = false;

  std::optional<index_t> k, iterations;
  std::optional<double> temperature, teacher_temperature, transport_temperature, epsilon;
  std::optional<double> alpha, beta, gamma, weight, ratio, lambda;
  mlot::column_matching matching = mlot::column_matching::rank;
  bool own_ranking = false, plan_constant = false, token_level = false;
  bool temperature_squared = false, skip_student_end = false, skip_teacher_end = false;

  index_t samples = 20, seed = 0;
  std::optional<double> tolerance;  ///< not given: depends on the precision
  double step = 1e-5;
};

/// Whether this program has the simd device.
bool has_simd();

/// Throws user_error for what cannot be meant. Nothing to run where --help was asked and printed.
std::optional<settings> read_command_line(int count, char const* const* words);
}  // namespace mlot_cli
