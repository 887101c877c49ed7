#pragma once
#include <cmath>
#include <cstdio>
#include <string>

#include "mlot/core/status.hpp"
namespace mlot::MLOT_SET {
/// A status as a sentence: "multi_level.options.epsilon: 0 given, must be finite and above 0", or
/// "multi_level.gradient: 3 rows given, must be the shape of student_logits: 12 rows". Allocates,
/// so it lives outside the core.
inline std::string describe(status const& s) {
  if (s.ok()) return "ok";
  std::string const axis = s.axis;
  auto const counted = [&](std::string number) {
    if (axis.empty()) return number;
    std::size_t const plural = axis.ends_with("ches") ? 2 : 1;
    return number + " " + (number == "1" ? axis.substr(0, axis.size() - plural) : axis);
  };
  char value[32];
  bool const whole = s.value == std::floor(s.value) && std::fabs(s.value) < 1e15;
  if (std::isnan(s.value))
    std::snprintf(value, sizeof value, "nan");  // without a sign
  else
    std::snprintf(value, sizeof value, whole ? "%.0f" : "%.17g", s.value);
  std::string text = s.argument;
  if (s.row >= 0) text += " at row " + std::to_string(s.row);
  if (s.column >= 0) text += ", column " + std::to_string(s.column);
  std::string const allowed = s.allowed, needed = std::to_string(s.needed);
  text += ": " + (axis == "pointer" ? "a null pointer" : counted(value));
  text += " given, must be " + allowed;
  if (s.needed < 0 || allowed.starts_with(needed + " ")) return text;  // said already
  return text + ": " + counted(needed);
}
}  // namespace mlot::MLOT_SET
