#pragma once
#include <cmath>
#include <cstdio>
#include <string>

#include "mlot/core/status.hpp"
namespace mlot {
/// A status as a sentence: "multi_level.options.epsilon: 0 given, must be finite and above 0".
/// Allocates, so it lives outside the core.
inline std::string describe(status const& s) {
  if (s.ok()) return "ok";
  char value[32];
  bool const whole = s.value == std::floor(s.value) && std::fabs(s.value) < 1e15;
  if (std::isnan(s.value))
    std::snprintf(value, sizeof value, "nan");  // without a sign
  else
    std::snprintf(value, sizeof value, whole ? "%.0f" : "%.17g", s.value);
  std::string text = s.argument;
  if (s.row >= 0) text += " at row " + std::to_string(s.row);
  if (s.column >= 0) text += ", column " + std::to_string(s.column);
  return text + ": " + value + " given, must be " + s.allowed;
}
}  // namespace mlot
