#pragma once
#include "distill/svg.hpp"
namespace distill {
/// A curve over 1, 2, 3, ...: the mean of several runs, with the band that they span.
struct curve {
  std::string name;
  std::string_view colour;
  std::vector<double> mean, low, high;  ///< equally long; low and high may be empty: no band
};

struct panel {
  std::string title, x_label, y_label;
  std::vector<curve> curves;
};

/// Panels side by side under one heading and one legend, each with axes of its own.
svg line_charts(std::string_view heading, std::string_view remark, std::vector<panel> const& panels,
                double panel_width, double panel_height);
}  // namespace distill
