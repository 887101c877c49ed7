#pragma once
#include "distill/svg.hpp"
#include "distill/types.hpp"
namespace distill {
/// Values in cells, darker for more, with a name for every row and column and a scale.
struct heat_map {
  std::string heading, remark;
  std::string row_title, column_title;
  std::vector<std::string> rows, columns;
  matrix<double> values;  ///< (rows, columns), at least 0

  svg draw() const;
};
}  // namespace distill
