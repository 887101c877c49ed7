#pragma once
#include "mlot/divergence/adaptive_kl.hpp"
#include "mlot/simd/log_probabilities.hpp"
/// The head and the tail of adaptive KL without sorting: the value of log q at which the sum of
/// all below passes 1/2 is looked for by halving, which takes some ten sweeps over a row that is in
/// the caches.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
template <class Batch, class Kind, storage Teacher, storage S>
struct head_and_tail {
  using T = typename Batch::value_type;
  compared_rows<Batch, Kind, Teacher, S> const& row;

  /// The ids with log q at most x: their mass, the largest log q among them, the least above.
  struct split {
    T mass, largest, next;
  };
  split split_at(T x) const {
    Batch const at(x), lowest(-infinity<T>), highest(infinity<T>);
    Batch mass(T(0)), largest = lowest, next = highest;
    for (index_t begin = 0, end; begin < row.teacher.size; begin = end) {
      end = (std::min)(begin + block_columns, row.teacher.size);
      Batch partial(T(0));
      for_lanes<Batch>(end - begin, [&, begin](index_t v, auto which) {
        Batch const log_q = row.teacher.at(begin + v, which);
        auto const below = log_q <= at;
        partial = add_where(below, partial, exponential(log_q));
        largest = (xsimd::max)(largest, Batch(xsimd::select(below, log_q, lowest)));
        next = (xsimd::min)(next, Batch(xsimd::select(below, highest, log_q)));
      });
      mass += partial;
    }
    return {lane_sum(mass), lane_max(largest), -lane_max(Batch(-next))};
  }

  T share() const {
    // log q of the first id, in rising order, with which the sum passes 1/2.
    constexpr T half(adaptive_kl<T>::tail_mass);
    T low = T(-800), high = T(1), below = T(0);
    for (T next = low; next != high;) {
      T middle = low + (high - low) / 2;
      if (!(middle < high)) middle = low;  // neighbours among numbers
      split const s = split_at(middle);
      if (s.mass <= half)
        low = middle, below = s.mass, next = s.next;
      else
        high = s.largest;
      if (next == infinity<T>) break;  // no sum passes 1/2
    }
    return share_around(high, below);
  }

 private:
  /// Ids at `edge` belong to the tail, the lower first, as long as the sum is at most 1/2.
  T share_around(T edge, T below) const {
    constexpr T half(adaptive_kl<T>::tail_mass);
    Batch head(T(0)), tail(T(0)), at(edge);
    T tied_head(0), tied_tail(0), sum = below;
    row.for_blocks([&](index_t begin, index_t end, auto const& ids) {
      Batch head_part(T(0)), tail_part(T(0));
      for_lanes<Batch>(end - begin, [&](index_t v, auto which) {
        probability_pair<Batch> const x = ids(v, which);
        Batch const difference = xsimd::abs(Batch(x.q - x.p));
        head_part = add_where(x.log_q > at, head_part, difference);
        tail_part = add_where(x.log_q < at, tail_part, difference);
        if (!xsimd::any(x.log_q == at)) return;
        alignas(64) T log_q[Batch::size], q[Batch::size], off[Batch::size];
        x.log_q.store_aligned(log_q), x.q.store_aligned(q), difference.store_aligned(off);
        for (std::size_t l = 0; l < Batch::size; ++l)
          if (log_q[l] == edge) {
            sum += q[l];
            (sum <= half ? tied_tail : tied_head) += off[l];
          }
      });
      head += head_part, tail += tail_part;
    });
    return adaptive_kl<T>::share(lane_sum(head) + tied_head, lane_sum(tail) + tied_tail);
  }
};

template <class Batch, class Kind, storage Teacher, storage S>
typename Batch::value_type adaptive_share(compared_rows<Batch, Kind, Teacher, S> const& row) {
  return head_and_tail<Batch, Kind, Teacher, S>{row}.share();
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
