#include "distill/heat_map.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace distill {
namespace {
constexpr std::string_view ink = "#3d3d3a", faint = "#8a8a85";
constexpr double cell = 22, letter = 7.2, heading_height = 66;

/// 0 .. 1 as a colour between white and deep blue, by way of a light and a middle one.
std::string shade(double x) {
  struct colour {
    double r, g, b;
  };
  constexpr std::array<colour, 4> stops = {
      {{250, 250, 247}, {186, 215, 233}, {66, 133, 190}, {13, 47, 100}}};
  double const at = std::clamp(x, 0., 1.) * double(stops.size() - 1);
  std::size_t const i = std::min(std::size_t(at), stops.size() - 2);
  double const t = at - double(i);
  std::string out = "#";
  for (auto const channel : {&colour::r, &colour::g, &colour::b}) {
    auto const value =
        unsigned(std::lround(stops[i].*channel * (1 - t) + stops[i + 1].*channel * t));
    constexpr std::string_view digits = "0123456789abcdef";
    out += digits[value / 16];
    out += digits[value % 16];
  }
  return out;
}

std::size_t letters(std::string_view text) {
  return std::size_t(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}
double longest(std::vector<std::string> const& names) {
  std::size_t most = 0;
  for (auto const& name : names) most = std::max(most, letters(name));
  return letter * double(most);
}
}  // namespace

svg heat_map::draw() const {
  double const left = 44 + longest(rows), top = heading_height + 34 + longest(columns);
  double const width = cell * double(columns.size()), height = cell * double(rows.size());
  double const scale_width = 90;
  svg out(std::max(left + width + scale_width, 12 + 7 * double(letters(remark))),
          top + height + 24);
  out.text(20, 28, heading, {.size = 16, .colour = ink, .bold = true});
  out.text(20, 46, remark, {.size = 12, .colour = faint});

  double const most = values.size() > 0 ? std::max(values.maxCoeff(), 1e-12) : 1;
  for (index_t i = 0; i < values.rows(); ++i)
    for (index_t j = 0; j < values.cols(); ++j)
      out.rectangle(left + cell * double(j), top + cell * double(i), cell - 1, cell - 1,
                    shade(values(i, j) / most));
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.text(left - 8, top + cell * double(i) + cell / 2 + 4, rows[i],
             {.size = 12, .colour = ink, .align = anchor::end});
  for (std::size_t j = 0; j < columns.size(); ++j)
    out.text(left + cell * double(j) + cell / 2 + 4, top - 8, columns[j],
             {.size = 12, .colour = ink, .turn = -90});
  out.text(left + width / 2, heading_height + 12, column_title,
           {.size = 12, .colour = faint, .align = anchor::middle});
  out.text(20, top + height / 2, row_title,
           {.size = 12, .colour = faint, .align = anchor::middle, .turn = -90});

  double const x = left + width + 24, scale_height = std::min(height, 160.);
  constexpr int steps = 40;
  for (int i = 0; i < steps; ++i)
    out.rectangle(x, top + scale_height * i / steps, 12, scale_height / steps + 0.5,
                  shade(1 - (i + 0.5) / steps));
  out.text(x + 18, top + 9, number(most), {.size = 11, .colour = faint});
  out.text(x + 18, top + scale_height, "0", {.size = 11, .colour = faint});
  return out;
}
}  // namespace distill
