#pragma once
#include <optional>
#include <string>
#include <vector>

#include "distill/course.hpp"
namespace experiments {
using namespace distill;

/// A student's run, made once for every seed.
struct trial {
  course_options course;
  training_options training;
  objective goal = objective::distilled;

  bool operator==(trial const&) const = default;
};

struct row {
  std::string label;
  distill::index_t against = -1;  ///< the row that it is compared with; -1: none
  std::optional<double> x;        ///< its place where rows are points of a curve
  trial of;
};

/// One question: rows that differ in what it asks for.
struct table {
  std::string name, title;
  std::string x_label;  ///< empty: rows are no curve
  std::vector<row> rows;
};

/// The paper's tables at our size. Rows of different tables may be the same trial. `quick`: the
/// same rows, students that learn next to nothing.
std::vector<table> all_tables(bool quick);
}  // namespace experiments
