#pragma once
#include <cmath>

#include "mlot/divergence/adaptive_kl.hpp"
#include "mlot/grid/compared_rows.hpp"
#include "mlot/grid/sums.hpp"
/// The head and the tail of adaptive KL without sorting: the log q with which the sum passes 1/2 is
/// looked for in a range that every sweep over the row cuts to a quarter; so is, where several ids
/// have it, the first of them that the tail has no room for.
namespace mlot::MLOT_SET::simt {
template <class T>
class head_and_tail {
  static constexpr int marks = 4;  ///< of a sweep, the first where the range begins
  static constexpr T half = T(adaptive_kl<T>::tail_mass);

 public:
  /// g_head / (g_head + g_tail), the same for all threads.
  template <class Block, class Rows>
  MLOT_DEVICE static T share(Block& block, Rows const& rows) {
    using std::log;
    // log q is in (low, high]: ids below 1 / (2 m) have at most half the mass, and none is above 1.
    T low = -log(T(double(rows.teacher.size))) - T(2), high = T(1);
    for (;;) {
      T mark[marks];
      for (int k = 0; k < marks; ++k) mark[k] = low + (high - low) * T(k) / T(marks);
      split const all = split_at(block, rows, mark, high);
      if (!(all.least < all.largest)) return share_around(block, rows, all.largest, all.mass.of[0]);
      MLOT_UNROLL
      for (int k = 1; k < marks; ++k) {
        if (all.mass.of[k] <= half) low = mark[k];
        if (all.mass.of[marks - k] > half) high = mark[marks - k];
      }
    }
  }

 private:
  /// The ids up to each mark, and those in a range.
  struct split {
    values<T, marks> mass;
    T least, largest;
    MLOT_DEVICE friend split operator+(split const& a, split const& b) {
      return {a.mass + b.mass, simt::least(a.least, b.least), most(a.largest, b.largest)};
    }
  };
  template <class Block, class Rows>
  MLOT_DEVICE static split split_at(Block& block, Rows const& rows, T const (&mark)[marks],
                                    T high) {
    split own{{}, infinity<T>, -infinity<T>};
    rows.for_teacher(block, [&](T log_q, index_t) {
      T const q = exponential(log_q);
      MLOT_UNROLL
      for (int k = 0; k < marks; ++k) own.mass.of[k] += log_q <= mark[k] ? q : T(0);
      bool const inside = log_q > mark[0] && log_q <= high;
      own.least = least(own.least, inside ? log_q : infinity<T>);
      own.largest = most(own.largest, inside ? log_q : -infinity<T>);
    });
    return block.all(own, plus());
  }

  struct differences {
    T head, tail, tied;
    int count;  ///< of the tied
    MLOT_DEVICE friend differences operator+(differences a, differences const& b) {
      return {a.head + b.head, a.tail + b.tail, a.tied + b.tied, a.count + b.count};
    }
  };
  /// Ids at `edge` belong to the tail, the lower first, as long as the sum is at most 1/2.
  template <class Block, class Rows>
  MLOT_DEVICE static T share_around(Block& block, Rows const& rows, T edge, T below) {
    using std::abs;
    differences own{};
    rows.for_ids(block, [&](probability_pair<T> const& x, index_t) {
      T const difference = abs(x.q - x.p);
      own.head += x.log_q > edge ? difference : T(0);
      own.tail += x.log_q < edge ? difference : T(0);
      own.tied += x.log_q == edge ? difference : T(0);
      own.count += x.log_q == edge;
    });
    differences const all = block.all(own, plus());
    T const room = (half - below) / exponential(edge);
    int const fit = room < T(all.count) ? int(room) : all.count;
    T in_tail = fit == all.count ? all.tied : T(0);
    if (fit > 0 && fit < all.count) {
      index_t const past = tied_id(block, rows, edge, fit);
      rows.for_ids(block, [&](probability_pair<T> const& x, index_t v) {
        if (x.log_q == edge && v < past) in_tail += abs(x.q - x.p);
      });
      in_tail = block.all(in_tail, plus());
    }
    return adaptive_kl<T>::share(all.head + (all.tied - in_tail), all.tail + in_tail);
  }

  /// The id at `edge` before which there are `before` more.
  template <class Block, class Rows>
  MLOT_DEVICE static index_t tied_id(Block& block, Rows const& rows, T edge, int before) {
    index_t low = 0, high = rows.teacher.size;  // it is in low .. high - 1
    while (high - low > 1) {
      index_t mark[marks];
      for (int k = 0; k < marks; ++k) mark[k] = low + (high - low) * k / marks;
      values<int, marks> own{};
      rows.for_teacher(block, [&](T log_q, index_t v) {
        MLOT_UNROLL
        for (int k = 0; k < marks; ++k) own.of[k] += log_q == edge && v < mark[k];
      });
      values<int, marks> const all = block.all(own, plus());
      MLOT_UNROLL
      for (int k = 1; k < marks; ++k) {
        if (all.of[k] <= before) low = mark[k];
        if (all.of[marks - k] > before) high = mark[marks - k];
      }
    }
    return low;
  }
};
}  // namespace mlot::MLOT_SET::simt
