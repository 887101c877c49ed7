#include "distill/segments.hpp"

namespace distill {
namespace {
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/// Whether a sentence ends before the space at `space`: . ! or ?, perhaps inside quotes.
bool ends_sentence(std::string_view text, std::size_t space) {
  while (space > 0 && std::string_view("\"')]").find(text[space - 1]) != std::string_view::npos)
    --space;
  return space > 0 && std::string_view(".!?").find(text[space - 1]) != std::string_view::npos;
}

/// Length of the first segment of `text`, which is longer than `limit`.
std::size_t cut(std::string_view text, std::size_t limit) {
  std::size_t last_space = 0;
  for (std::size_t at = limit; at > 0; --at) {
    if (text[at] != ' ') continue;
    if (ends_sentence(text, at)) return at;
    if (last_space == 0) last_space = at;
  }
  if (last_space > 0) return last_space;
  std::size_t at = limit;
  while (at > 1 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return at;
}
}  // namespace

std::vector<std::string> paragraphs(std::span<std::string const> lines, bool drop_underscores) {
  std::vector<std::string> out;
  std::string current;
  auto const finish = [&] {
    if (!current.empty()) out.push_back(std::move(current));
    current.clear();
  };
  for (std::string const& line : lines) {
    bool blank = true, gap = true;
    for (char const c : line) {
      if (is_space(c)) {
        gap = true;
      } else if (!(drop_underscores && c == '_')) {
        if (gap && !current.empty()) current += ' ';
        current += c;
        gap = blank = false;
      }
    }
    if (blank) finish();
  }
  finish();
  return out;
}

std::vector<std::string> segments(std::string_view paragraph, std::size_t limit) {
  std::vector<std::string> out;
  while (paragraph.size() > limit) {
    std::size_t const length = cut(paragraph, limit);
    out.emplace_back(paragraph.substr(0, length));
    paragraph.remove_prefix(length);
    if (paragraph.front() == ' ') paragraph.remove_prefix(1);
  }
  if (!paragraph.empty()) out.emplace_back(paragraph);
  return out;
}
}  // namespace distill
