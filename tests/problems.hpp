#pragma once
#include <utility>
#include <vector>

#include "framed.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
#include "oracle/primitive_oracle.hpp"
namespace kit {
/// A ragged batch of transport problems with the memory behind it.
struct problems {
  std::vector<index_t> row_offset{0}, column_offset{0};
  index_t longest_row = 0;

  explicit problems(std::vector<std::pair<index_t, index_t>> const& shapes) {
    for (auto const& [rows, columns] : shapes) {
      row_offset.push_back(row_offset.back() + rows);
      column_offset.push_back(column_offset.back() + columns);
      longest_row = columns > longest_row ? columns : longest_row;
    }
  }
  index_t rows() const { return row_offset.back(); }
  index_t columns() const { return column_offset.back(); }
  index_t count() const { return index_t(row_offset.size()) - 1; }
  mlot::problem_batch<mlot::host_memory> view() const {
    return {{row_offset.data(), count() + 1},
            {column_offset.data(), count() + 1},
            rows(),
            columns(),
            longest_row};
  }
  /// Problem b's part of a matrix over the batch.
  template <class T>
  oracle::matrix part(mlot::host::matrix<T> m, index_t b) const {
    auto const own = view().of(m, b);
    oracle::matrix all;
    for (index_t i = 0; i < own.rows; ++i) {
      all.emplace_back();
      for (index_t j = 0; j < own.cols; ++j) all.back().push_back(own(i, j));
    }
    return all;
  }
  /// Calls visit(i, j, problem, row of the problem) for every entry that a problem owns.
  void for_each(auto visit) const {
    for (index_t b = 0; b < count(); ++b)
      for (index_t i = view().row_offset(b); i < view().row_offset(b + 1); ++i)
        for (index_t j = 0; j < view().column_count(b); ++j) visit(i, j, b);
  }
  /// Whether every entry that a problem owns is written, and no other one.
  template <class T>
  bool exactly_written(framed<T>& m) const {
    std::vector<bool> owned(std::size_t(m.rows() * m.cols()));
    for_each([&](index_t i, index_t j, index_t) { owned[std::size_t(i * m.cols() + j)] = true; });
    for (index_t i = 0; i < m.rows(); ++i)
      for (index_t j = 0; j < m.cols(); ++j)
        if (is_poison(m(i, j)) == owned[std::size_t(i * m.cols() + j)]) return false;
    return m.frame_untouched();
  }
};
}  // namespace kit
