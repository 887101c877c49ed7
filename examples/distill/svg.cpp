#include "distill/svg.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fstream>

#include "distill/types.hpp"

namespace distill {
namespace {
/// Bytes of the UTF-8 character that begins at `at`; 0 where none that XML allows does.
std::size_t character_length(std::string_view text, std::size_t at) {
  auto const byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  unsigned const lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
  std::size_t const length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead >= 0xf5) return 0;
  unsigned code = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<unsigned, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  bool const surrogate = code >= 0xd800 && code < 0xe000;
  bool const allowed = code <= 0x10ffff && code != 0xfffe && code != 0xffff;
  return code >= least[length] && !surrogate && allowed ? length : 0;
}

std::string coordinates(std::vector<svg::point> const& points) {
  std::string out;
  for (auto const& [x, y] : points) {
    if (!out.empty()) out += ' ';
    out.append(number(x)).append(",").append(number(y));
  }
  return out;
}
}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const length = character_length(text, at);
    switch (text[at]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += length > 0 ? text.substr(at, length) : "\xef\xbf\xbd";
    }
    at += length > 0 ? length : 1;
  }
  return out;
}

std::string fixed(double x, int decimals) {
  if (!std::isfinite(x)) x = 0;
  std::array<char, 400> digits;  // the largest double has 309 before the point
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), x,
                                 std::chars_format::fixed, decimals);
  return {digits.data(), end.ptr};
}

std::string number(double x) {
  std::string out = fixed(x, 2);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

/// One attribute of an element; an empty value leaves it out.
struct svg::attribute {
  std::string_view name;
  std::string value;
  attribute(std::string_view n, double x) : name(n), value(number(x)) {}
  attribute(std::string_view n, std::string_view text) : name(n), value(text) {}
};

void svg::open(std::string_view name, std::initializer_list<attribute> attributes) {
  body_.append("<").append(name);
  for (auto const& [key, value] : attributes)
    if (!value.empty())
      body_.append(" ").append(key).append("=\"").append(escaped(value)).append("\"");
}

void svg::shape(std::string_view name, std::initializer_list<attribute> attributes) {
  open(name, attributes);
  body_ += "/>\n";
}

svg::svg(double width, double height) {
  std::string box = "0 0 ";
  box.append(number(width)).append(" ").append(number(height));
  open("svg", {{"xmlns", "http://www.w3.org/2000/svg"},
               {"width", width},
               {"height", height},
               {"viewBox", box},
               {"font-family", "Helvetica, Arial, 'DejaVu Sans', sans-serif"}});
  body_ += ">\n";
  rectangle(0, 0, width, height, "#ffffff");
}

void svg::line(double x1, double y1, double x2, double y2, std::string_view colour, double width) {
  shape("line", {{"x1", x1},
                 {"y1", y1},
                 {"x2", x2},
                 {"y2", y2},
                 {"stroke", colour},
                 {"stroke-width", width}});
}

void svg::rectangle(double x, double y, double width, double height, std::string_view colour) {
  shape("rect", {{"x", x}, {"y", y}, {"width", width}, {"height", height}, {"fill", colour}});
}

void svg::circle(double x, double y, double radius, std::string_view colour) {
  shape("circle", {{"cx", x}, {"cy", y}, {"r", radius}, {"fill", colour}});
}

void svg::polyline(std::vector<point> const& points, std::string_view colour, double width) {
  shape("polyline", {{"points", coordinates(points)},
                     {"fill", "none"},
                     {"stroke", colour},
                     {"stroke-width", width},
                     {"stroke-linejoin", "round"},
                     {"stroke-linecap", "round"}});
}

void svg::area(std::vector<point> const& outline, std::string_view colour, double opacity) {
  shape("polygon", {{"points", coordinates(outline)}, {"fill", colour}, {"fill-opacity", opacity}});
}

void svg::text(double x, double y, std::string_view what, text_style const& style) {
  constexpr std::array<std::string_view, 3> anchors = {"start", "middle", "end"};
  std::string turn;
  if (style.turn != 0)
    turn.append("rotate(")
        .append(number(style.turn))
        .append(" ")
        .append(number(x))
        .append(" ")
        .append(number(y))
        .append(")");
  open("text", {{"x", x},
                {"y", y},
                {"font-size", style.size},
                {"fill", style.colour},
                {"text-anchor", anchors[std::size_t(style.align)]},
                {"font-weight", style.bold ? "bold" : ""},
                {"transform", turn}});
  body_.append(">").append(escaped(what)).append("</text>\n");
}

std::string svg::str() const {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  return out.append(body_).append("</svg>\n");
}

void svg::write(std::filesystem::path const& file) const {
  std::ofstream out(file, std::ios::binary);
  out << str();
  out.close();
  if (!out) throw user_error("--out: cannot write " + file.string());
}
}  // namespace distill
