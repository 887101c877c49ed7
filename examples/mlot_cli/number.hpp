#pragma once
#include <optional>
#include <string>
namespace mlot_cli {
/// A text as a number, in every locale and with every standard library: decimal, an exponent or
/// none, or inf or nan. Nothing where the text is or has anything else, or the number is beyond the
/// range of double.
std::optional<double> number_of(std::string text);
/// So many digits that it is read back as it was.
std::string digits(double x);
}  // namespace mlot_cli
