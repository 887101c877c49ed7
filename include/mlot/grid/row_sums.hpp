#pragma once
#include <cmath>

#include "mlot/grid/exponentials.hpp"
#include "mlot/grid/pack.hpp"
#include "mlot/grid/sums.hpp"
namespace mlot::MLOT_SET::simt {
/// A thread's share of a row: its largest logit and the sums of its exponentials.
template <class T, int N, bool Squares>
class running_sums {
 public:
  MLOT_DEVICE running_sums(exponentials<T, N, Squares> const& powers, T reach)
      : powers_(powers), reach_(reach) {}

  template <int Count>
  MLOT_DEVICE void add(T const (&z)[Count]) {
    using std::fmax;  // passes over NaN, which is found in the sums
    T top = z[0];
    MLOT_UNROLL
    for (int j = 1; j < Count; ++j) top = fmax(top, z[j]);
    most_ = fmax(most_, top);
    // Not at every new maximum: each factor is one more rounding.
    if (top > reference_ + reach_) refer_to(top);
    T part[N][4] = {};
    MLOT_UNROLL
    for (int j = 0; j < Count; ++j) {
      T e[N];
      powers_(T(z[j] - reference_), e);
      for (int k = 0; k < N; ++k) part[k][j % 4] += e[k];
    }
    for (int k = 0; k < N; ++k)
      total_[k].add((part[k][0] + part[k][1]) + (part[k][2] + part[k][3]));
  }
  MLOT_DEVICE T most() const { return most_; }
  /// The sums below `top` instead, -inf where nothing but -inf or NaN was added.
  MLOT_DEVICE values<T, N> below(T top) {
    if (top > -infinity<T>) refer_to(top);
    values<T, N> sums;
    for (int k = 0; k < N; ++k) sums.of[k] = total_[k].value();
    return sums;
  }

 private:
  MLOT_DEVICE void refer_to(T top) {
    T factor[N];
    powers_(T(reference_ - top), factor);
    for (int k = 0; k < N; ++k) total_[k].scale(factor[k]);
    reference_ = top;
  }
  exponentials<T, N, Squares> powers_;
  T reach_;  ///< how far logits may lie above the reference
  T most_ = -infinity<T>, reference_ = -largest<T>;
  long_sum<T> total_[N];
};

/// Of a row without a distribution: -inf and 0.
template <class T, int N>
struct sums_of_row {
  T maximum = -infinity<T>, partition[N] = {};
};

/// Maximum and partitions of row r by a whole block, read by the packs at `place`; `reach` is the
/// least temperature. NaN and +inf are reported, and their row counts as one of -inf.
template <int Width, class Block, class S, class Memory, class T, int N, bool Squares>
MLOT_DEVICE sums_of_row<T, N> row_sums(Block& block, matrix_view<S, Memory> const& logits,
                                       index_t r, place_of_packs<Width> place,
                                       exponentials<T, N, Squares> const& powers, T reach,
                                       std::uint64_t* findings, finding what) {
  auto const row = logits.row(r);
  running_sums<T, N, Squares> own(powers, reach);
  for_columns<T, Width>(block, row.size, place, [&](auto part) {
    T z[part.count];
    part.load(row, z);
    own.add(z);
  });
  T const top = block.all(own.most(), maximum());
  values<T, N> const partition = block.all(own.below(top), plus());
  sums_of_row<T, N> sums;
  if (top == infinity<T> || partition.of[0] != partition.of[0]) {
    for (index_t v = block.thread(); v < logits.cols; v += Block::threads)
      if (!(load_as<T>(logits(r, v)) < infinity<T>)) {
        report(block, findings, what, r, v);
        break;
      }
  } else if (top > -infinity<T>) {
    sums.maximum = top;
    for (int k = 0; k < N; ++k) sums.partition[k] = most(T(1), partition.of[k]);
  }
  return sums;
}
}  // namespace mlot::MLOT_SET::simt
