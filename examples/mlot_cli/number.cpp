#include "mlot_cli/number.hpp"

#include <cerrno>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace mlot_cli {
namespace {
/// What strtod is given: it would take more, such as white space and hexadecimal digits.
bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  std::string word;
  for (char const c : text) word += 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (word == "inf" || word == "infinity" || word == "nan") return true;
  std::size_t at = 0;
  auto const digits = [&] {
    std::size_t const first = at;
    while (at < word.size() && '0' <= word[at] && word[at] <= '9') ++at;
    return at - first;
  };
  std::size_t count = digits();
  if (at < word.size() && word[at] == '.') {
    ++at;
    count += digits();
  }
  if (count == 0) return false;
  if (at < word.size() && word[at] == 'e') {
    ++at;
    if (at < word.size() && (word[at] == '-' || word[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == word.size();
}
}  // namespace

std::optional<double> number_of(std::string text) {
  if (!is_number(text)) return std::nullopt;
  if (auto const point = text.find('.'); point != text.npos)
    text.replace(point, 1, std::localeconv()->decimal_point);
  errno = 0;
  char* end = nullptr;
  double const value = std::strtod(text.c_str(), &end);
  bool const beyond = errno == ERANGE && (value == 0 || std::isinf(value));
  if (*end != '\0' || beyond) return std::nullopt;
  return value;
}
std::string digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}
}  // namespace mlot_cli
