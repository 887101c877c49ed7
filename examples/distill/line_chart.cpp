#include "distill/line_chart.hpp"

#include <algorithm>
#include <cmath>

namespace distill {
namespace {
constexpr std::string_view ink = "#3d3d3a", faint = "#8a8a85", grid = "#e6e6e1";
constexpr double left = 62, right = 18, above = 34, below = 46, heading_height = 76;

/// 1, 2 or 5 times a power of ten, so that about `count` of them span `range`.
double tick_step(double range, int count) {
  double const raw = range / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (double const nice : {1., 2., 5.})
    if (nice * power >= raw) return nice * power;
  return 10 * power;
}

std::string tick_label(double value, double step) {
  return fixed(value, std::max(0, int(-std::floor(std::log10(step) + 1e-9))));
}

/// Where a panel's data lie and how they become pixels.
struct frame {
  double x, y, width, height;  ///< of the plotting area
  double low, high;            ///< of the values
  std::size_t count;           ///< of the positions 1 .. count

  double across(std::size_t i) const {
    return count < 2 ? x + width / 2 : x + width * double(i) / double(count - 1);
  }
  double up(double value) const { return y + height * (high - value) / (high - low); }
};

frame frame_of(panel const& p, double x, double y, double width, double height) {
  double low = INFINITY, high = -INFINITY;
  std::size_t count = 0;
  for (curve const& c : p.curves) {
    count = std::max(count, c.mean.size());
    for (auto const* values : {&c.mean, &c.low, &c.high})
      for (double const v : *values) {
        low = std::min(low, v);
        high = std::max(high, v);
      }
  }
  if (!(low <= high)) low = 0, high = 1;
  double const margin = std::max((high - low) * 0.06, 1e-6 * std::max(1., std::abs(high)));
  return {x, y, width, height, low - margin, high + margin, count};
}

void draw_axes(svg& out, panel const& p, frame const& f) {
  double const step = tick_step(f.high - f.low, 5);
  for (double k = std::ceil(f.low / step); k * step <= f.high; ++k) {
    double const at = f.up(k * step);
    out.line(f.x, at, f.x + f.width, at, grid);
    out.text(f.x - 8, at + 4, tick_label(k * step, step),
             {.size = 11, .colour = faint, .align = anchor::end});
  }
  auto const every = std::max<std::size_t>(1, std::size_t(tick_step(double(f.count), 7)));
  for (std::size_t i = 0; i < f.count; ++i)
    if ((i + 1) % every == 0 || (i == 0 && every <= 2))
      out.text(f.across(i), f.y + f.height + 18, std::to_string(i + 1),
               {.size = 11, .colour = faint, .align = anchor::middle});
  out.line(f.x, f.y + f.height, f.x + f.width, f.y + f.height, faint);
  out.text(f.x, f.y - 14, p.title, {.size = 13, .colour = ink, .bold = true});
  out.text(f.x + f.width / 2, f.y + f.height + 38, p.x_label,
           {.size = 12, .colour = faint, .align = anchor::middle});
  if (!p.y_label.empty())
    out.text(f.x - 46, f.y + f.height / 2, p.y_label,
             {.size = 12, .colour = faint, .align = anchor::middle, .turn = -90});
}

void draw_curve(svg& out, curve const& c, frame const& f) {
  if (!c.low.empty()) {
    std::vector<svg::point> outline;
    for (std::size_t i = 0; i < c.low.size(); ++i) outline.push_back({f.across(i), f.up(c.low[i])});
    for (std::size_t i = c.high.size(); i-- > 0;) outline.push_back({f.across(i), f.up(c.high[i])});
    out.area(outline, c.colour, 0.18);
  }
  std::vector<svg::point> points;
  for (std::size_t i = 0; i < c.mean.size(); ++i) points.push_back({f.across(i), f.up(c.mean[i])});
  out.polyline(points, c.colour, 2.2);
  if (points.size() == 1) out.circle(points[0].x, points[0].y, 3, c.colour);
}
}  // namespace

svg line_charts(std::string_view heading, std::string_view remark, std::vector<panel> const& panels,
                double panel_width, double panel_height) {
  svg out(panel_width * double(panels.size()), heading_height + panel_height);
  out.text(20, 28, heading, {.size = 16, .colour = ink, .bold = true});
  out.text(20, 46, remark, {.size = 12, .colour = faint});
  if (!panels.empty()) {
    double x = 20;
    for (curve const& c : panels.front().curves) {
      out.polyline({{x, 64}, {x + 22, 64}}, c.colour, 2.6);
      out.text(x + 28, 68, c.name, {.size = 12, .colour = ink});
      x += 28 + 6.6 * double(c.name.size()) + 24;
    }
  }
  for (std::size_t i = 0; i < panels.size(); ++i) {
    frame const f = frame_of(panels[i], panel_width * double(i) + left, heading_height + above,
                             panel_width - left - right, panel_height - above - below);
    draw_axes(out, panels[i], f);
    for (curve const& c : panels[i].curves) draw_curve(out, c, f);
  }
  return out;
}
}  // namespace distill
