#pragma once
#include <algorithm>

#include "mlot/core/workspace.hpp"
namespace mlot::MLOT_SET::scalar {
/// Distinct columns for all rows, with the least sum of costs:
///
///   minimise  sum_r cost(r, e_r)  over choices e_r for which the columns column(r, e_r) differ
///
/// A row may take the columns of its E edges, all there are or a few of many; rows <= columns.
/// Rows come in one by one, each by the shortest path (Dijkstra's, over reduced costs) to a column
/// that is free, along which the others then move up. Prices prove the optimum:
///
///   row_price(r) + column_price(c) <= cost     on every edge, with equality where r took c
///   column_price(c) <= 0                       and 0 for a column that nobody took
///
/// so an edge that was left out changes nothing if it costs row_price(r) or more. Equal distances:
/// a free column first, then the lower one. Same answer in every run; among several optima it is
/// not said which. Work O(rows (rows E + rows^2)), little of it where few rows compete.
/// Checked against SciPy: tests/primitive/linear_assignment_test.cpp.
/// Source: Jonker and Volgenant 1987; rectangular: Crouse 2016.
class linear_assignment {
 public:
  linear_assignment(index_t rows, index_t columns, arena<host_memory>& space)
      : row_price_(space.vector<double>(rows)),
        edge_(space.vector<index_t>(rows)),
        column_price_(space.vector<double>(columns)),
        distance_(space.vector<double>(columns)),
        owner_(space.vector<index_t>(columns)),
        from_(space.vector<index_t>(columns)),
        edge_from_(space.vector<index_t>(columns)),
        settled_for_(space.vector<index_t>(columns)),
        reached_(space.vector<index_t>(columns)) {}

  /// Edges (rows, E): columns from 0 on, below the number that there is room for, and what they
  /// cost; +inf or NaN: no edge. False where there is no choice for all rows.
  bool solve(host::matrix<index_t const> column, host::matrix<double const> cost) {
    for (index_t c = 0; c < column_price_.size; ++c) {
      column_price_(c) = 0;
      distance_(c) = infinity<double>;
      owner_(c) = settled_for_(c) = -1;
    }
    for (index_t r = 0; r < cost.rows; ++r) row_price_(r) = 0;
    for (index_t r = 0; r < cost.rows; ++r)
      if (!add_row(r, column, cost)) return false;
    return true;
  }
  /// After solve(): the edge that row r took, and its price.
  index_t edge(index_t r) const { return edge_(r); }
  double row_price(index_t r) const { return row_price_(r); }

 private:
  bool add_row(index_t start, host::matrix<index_t const> column, host::matrix<double const> cost) {
    index_t reached = 0, settled = 0, row = start, end = -1;
    double reach = 0;
    while (end < 0) {
      for (index_t e = 0; e < cost.cols; ++e) {
        index_t const c = column(row, e);
        double const d = reach + (cost(row, e) - row_price_(row) - column_price_(c));
        if (settled_for_(c) == start || !(d < distance_(c))) continue;
        if (distance_(c) == infinity<double>) reached_(reached++) = c;
        distance_(c) = d;
        from_(c) = row;
        edge_from_(c) = e;
      }
      if (settled == reached) return false;
      auto const before = [&](index_t a, index_t b) {
        bool const a_owned = owner_(a) >= 0, b_owned = owner_(b) >= 0;
        if (distance_(a) != distance_(b)) return distance_(a) < distance_(b);
        return a_owned == b_owned ? a < b : b_owned;
      };
      index_t* const first = &reached_(settled);
      std::iter_swap(first, std::min_element(first, &reached_(0) + reached, before));
      index_t const nearest = reached_(settled++);
      settled_for_(nearest) = start;
      reach = distance_(nearest);
      (owner_(nearest) < 0 ? end : row) = owner_(nearest) < 0 ? nearest : owner_(nearest);
    }
    row_price_(start) += reach;
    for (index_t n = 0; n + 1 < settled; ++n) {  // all but the end, which is as far as can be
      index_t const c = reached_(n);
      row_price_(owner_(c)) += reach - distance_(c);
      column_price_(c) -= reach - distance_(c);
    }
    move_up(start, end, column);
    for (index_t n = 0; n < reached; ++n) distance_(reached_(n)) = infinity<double>;
    return true;
  }
  /// Everyone on the path to the free column `end` takes the next column on it.
  void move_up(index_t start, index_t end, host::matrix<index_t const> column) {
    for (index_t c = end;;) {
      index_t const r = from_(c), left = r == start ? -1 : column(r, edge_(r));
      edge_(r) = edge_from_(c);
      owner_(c) = r;
      if (r == start) return;
      c = left;
    }
  }

  host::vector<double> row_price_;     // (rows)
  host::vector<index_t> edge_;         // (rows)
  host::vector<double> column_price_;  // (columns) as are those below
  host::vector<double> distance_;      // from the row that comes in; +inf: not reached
  host::vector<index_t> owner_;        // the row that took the column, or -1
  host::vector<index_t> from_;         // the row from which it was reached
  host::vector<index_t> edge_from_;    // along which edge
  host::vector<index_t> settled_for_;  // the last row for which its distance became final
  host::vector<index_t> reached_;      // columns, those whose distance is final first
};
}  // namespace mlot::MLOT_SET::scalar
