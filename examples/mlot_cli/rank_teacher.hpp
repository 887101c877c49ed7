#pragma once
#include "mlot_cli/inputs.hpp"
#include "mlot_cli/ranked_tables.hpp"
#include "mlot_cli/settings.hpp"
namespace mlot_cli {
/// The tables of a teacher whose logits had `logit_size` bytes in their file: those in the tables
/// have no more, and are the same. Throws user_error where the library answers a fault.
template <mlot::real T, mlot::storage S>
safetensors rank_teacher(settings const& s, model_input<S> const& teacher, std::size_t logit_size);
}  // namespace mlot_cli
