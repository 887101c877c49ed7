#pragma once
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
template <class Memory>
struct assignment_scratch {
  matrix_view<double, Memory> row_price;  ///< (problems, K)
  matrix_view<index_t, Memory> edge;      ///< (problems, K)
  // (problems, K^2) by edges, then by columns: distance from the row that comes in, +inf where it
  // was not reached; the row that took the column; the row and the edge it was reached from; the
  // last row for which its distance became final; the columns that were reached, in no order
  matrix_view<index_t, Memory> column;
  matrix_view<double, Memory> cost, column_price, distance;
  matrix_view<index_t, Memory> owner, from, edge_from, settled_for, reached;

  assignment_scratch(index_t problems, index_t k, arena<Memory>& space)
      : row_price(space.template matrix<double>(problems, k)),
        edge(space.template matrix<index_t>(problems, k)) {
    for (auto* const x : {&cost, &column_price, &distance})
      *x = space.template matrix<double>(problems, k * k);
    for (auto* const x : {&column, &owner, &from, &edge_from, &settled_for, &reached})
      *x = space.template matrix<index_t>(problems, k * k);
  }
};

/// Distinct columns for K rows with the least sum of costs, by a whole block: rows come in one by
/// one, each by the shortest path to a column that is free, as in scalar/linear_assignment.hpp,
/// which says what prices prove. Edges of a row and columns are shared out among the threads; equal
/// distances: a free column first, then the lower one, so that the answer is the same in every run.
template <class Memory>
class block_assignment {
 public:
  struct shared {
    int reached;
  };
  assignment_scratch<Memory> all;
  index_t problem;

  /// Edge e % K of row e / K: its column, below K^2, and its cost; +inf: no edge.
  MLOT_DEVICE void set_edge(index_t e, index_t column, double cost) const {
    all.column(problem, e) = column;
    all.cost(problem, e) = cost;
  }
  /// After solve(): which of its edges row r took.
  MLOT_DEVICE index_t edge(index_t r) const { return all.edge(problem, r); }
  /// False where there is no choice for all rows.
  template <class Block>
  MLOT_DEVICE bool solve(Block& block, shared& s) const {
    index_t const k = all.edge.cols;
    for (index_t c = block.thread(); c < k * k; c += Block::threads) {
      all.column_price(problem, c) = 0;
      all.distance(problem, c) = infinity<double>;
      all.owner(problem, c) = all.settled_for(problem, c) = -1;
    }
    for (index_t r = block.thread(); r < k; r += Block::threads) all.row_price(problem, r) = 0;
    block.sync();
    for (index_t r = 0; r < k; ++r)
      if (!add_row(block, s, r)) return false;
    return true;
  }

 private:
  struct nearest {
    double distance = infinity<double>;
    index_t owned = 1, column = -1;
    MLOT_DEVICE bool before(nearest const& other) const {
      if (distance != other.distance) return distance < other.distance;
      return owned != other.owned ? owned < other.owned : column < other.column;
    }
  };
  struct nearer {
    MLOT_DEVICE nearest operator()(nearest const& a, nearest const& b) const {
      return b.before(a) ? b : a;
    }
  };

  template <class Block>
  MLOT_DEVICE bool add_row(Block& block, shared& s, index_t start) const {
    index_t const k = all.edge.cols;
    auto const distance = all.distance.row(problem);
    auto const owner = all.owner.row(problem), settled_for = all.settled_for.row(problem);
    if (block.thread() == 0) s.reached = 0;
    block.sync();
    double reach = 0;
    index_t row = start, end = -1;
    while (end < 0) {
      for (index_t e = block.thread(); e < k; e += Block::threads) {
        index_t const c = all.column(problem, row * k + e);
        double const reduced = all.cost(problem, row * k + e) - all.row_price(problem, row) -
                               all.column_price(problem, c);
        double const d = reach + reduced;
        if (settled_for(c) == start || !(d < distance(c))) continue;
        if (distance(c) == infinity<double>) all.reached(problem, block.add(s.reached, 1)) = c;
        distance(c) = d;
        all.from(problem, c) = row;
        all.edge_from(problem, c) = e;
      }
      block.sync();
      nearest best;
      for (int n = block.thread(); n < s.reached; n += Block::threads) {
        index_t const c = all.reached(problem, n);
        nearest const next{distance(c), owner(c) >= 0, c};
        if (settled_for(c) != start && next.before(best)) best = next;
      }
      best = block.all(best, nearer());
      if (best.column < 0) return false;
      reach = best.distance;
      (best.owned == 0 ? end : row) = best.owned == 0 ? best.column : owner(best.column);
      if (block.thread() == 0) settled_for(best.column) = start;
      block.sync();
    }
    for (int n = block.thread(); n < s.reached; n += Block::threads) {
      index_t const c = all.reached(problem, n);
      if (settled_for(c) == start && c != end) {
        all.row_price(problem, owner(c)) += reach - distance(c);
        all.column_price(problem, c) -= reach - distance(c);
      }
      distance(c) = infinity<double>;
    }
    block.sync();
    if (block.thread() == 0) {
      all.row_price(problem, start) += reach;
      move_up(start, end);
    }
    block.sync();
    return true;
  }
  /// Everyone on the path to the free column `end` takes the next column on it.
  MLOT_DEVICE void move_up(index_t start, index_t end) const {
    index_t const k = all.edge.cols;
    for (index_t c = end;;) {
      index_t const r = all.from(problem, c);
      index_t const left = r == start ? -1 : all.column(problem, r * k + all.edge(problem, r));
      all.edge(problem, r) = all.edge_from(problem, c);
      all.owner(problem, c) = r;
      if (r == start) return;
      c = left;
    }
  }
};
}  // namespace mlot::MLOT_SET::simt
