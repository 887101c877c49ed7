#pragma once
#include <algorithm>

#include "mlot/scalar/vocabulary_mass.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
/// Rows are cut into slices of columns that stay in the first-level cache. A team takes a group of
/// rows at a time: each thread sums its slices of every row relative to the slice's own maximum;
/// when all have, each puts the slices of a row together and adds the row to its slices of the
/// mass. Logits come from memory once. Slices depend on the vocabulary alone, and a mass is added
/// row by row, so the number of threads changes no bit; nor do two threads write one cache line.
namespace mlot::on {
struct column_slices {
  index_t columns, width, count;
  explicit column_slices(index_t columns_)
      : columns(columns_),
        width(std::clamp<index_t>((columns + 2047) / 2048 * 64, 64, 1024)),
        count((columns + width - 1) / width) {}
  index_t begin(index_t s) const { return std::min(s * width, columns); }
  index_t size(index_t s) const { return begin(s + 1) - begin(s); }
};

/// Rows that a team takes between two meetings: as many as stay in second-level caches.
struct row_groups {
  static constexpr index_t thread_elements = index_t(1) << 16;
  index_t columns, most;
  explicit row_groups(index_t columns_)
      : columns(std::max<index_t>(columns_, 1)),
        most(std::clamp<index_t>(8 * thread_elements / columns, 1, 64)) {}
  index_t rows(index_t threads) const {
    return std::clamp<index_t>(threads * thread_elements / columns, 1, most);
  }
};

/// What the slices of a group of rows sum to: maxima and partitions, a row of `all` each. Twice,
/// so that a thread may begin a group while others still read the last one's.
template <real T>
struct slice_sums {
  static constexpr int kinds = 4;  ///< the maximum, then up to three partitions
  matrix_view<T, host_memory> all;
  index_t most;
  slice_sums(index_t columns, arena<host_memory>& space)
      : all(space.matrix<T>(2 * row_groups(columns).most * kinds, column_slices(columns).count)),
        most(row_groups(columns).most) {}
  T* of(index_t turn, index_t row, int kind) const {
    return &all((turn % 2 * most + row) * kinds + kind, 0);
  }
};

/// A row seen whole: maximum, partitions and 1 / partition at each temperature.
template <real T>
struct row_sum {
  T maximum = -infinity<T>, partition[3]{};
  bool usable = true;
};

template <class Batch, class T, storage S>
struct mass_pass {
  vocabulary_mass<T, S, host_memory> const& p;
  column_slices slices{p.logits.cols};
  slice_sums<T> sums;

  S const* logits(index_t i, index_t slice) const {
    return &p.logits(p.tokens.row(i), slices.begin(slice));
  }
  void inverse_temperatures(index_t i, T (&inverse)[3]) const {
    for (int c = 0; c < p.temperatures; ++c) inverse[c] = T(1) / p.at[c].temperature(i);
  }

  /// Token i's slice s: its maximum, and its partitions relative to that.
  void sum_slice(index_t i, index_t s, index_t turn, index_t row) const {
    S const* const z = logits(i, s);
    index_t const size = slices.size(s);
    Batch most(-infinity<T>);
    for_lanes<Batch>(size, [&](index_t v, auto which) {
      most = xsimd::max(most, load_lanes<Batch>(z + v, which, -infinity<T>));
    });
    T const top = lane_max(most);
    *(sums.of(turn, row, 0) + s) = top;
    Batch const origin(top > -infinity<T> ? top : T(0));
    T inverse[3] = {1, 1, 1};
    inverse_temperatures(i, inverse);
    with_exponentials<Batch>(
        inverse, p.temperatures, [&]<int N>(std::integral_constant<int, N>, auto powers) {
          Batch sum[N];
          for (auto& x : sum) x = Batch(T(0));
          for_lanes<Batch>(size, [&](index_t v, auto which) {
            Batch e[N];
            powers(Batch(load_lanes<Batch>(z + v, which, -infinity<T>) - origin), e);
            for (int c = 0; c < N; ++c) sum[c] += e[c];
          });
          for (int c = 0; c < N; ++c) *(sums.of(turn, row, c + 1) + s) = lane_sum(sum[c]);
        });
  }

  /// Token i's slices put together. A NaN among its logits made a partition NaN.
  row_sum<T> whole_row(index_t i, index_t turn, index_t row) const {
    row_sum<T> whole;
    T const* const tops = sums.of(turn, row, 0);
    for (index_t s = 0; s < slices.count; ++s) whole.maximum = std::max(whole.maximum, tops[s]);
    bool const empty = whole.maximum == -infinity<T>;
    Batch const top(empty ? T(0) : whole.maximum);
    whole.usable = whole.maximum < infinity<T>;
    for (int c = 0; c < p.temperatures; ++c) {
      Batch const inverse(T(1) / p.at[c].temperature(i));
      Batch sum(T(0));
      for_lanes<Batch>(slices.count, [&](index_t s, auto which) {
        Batch const shift = load_lanes<Batch>(tops + s, which, -infinity<T>) - top;
        sum += exponential(Batch(shift * inverse)) *
               load_lanes<Batch>(sums.of(turn, row, c + 1) + s, which);
      });
      whole.partition[c] = lane_sum(sum);
      whole.usable &= whole.partition[c] < infinity<T>;
    }
    return whole;
  }

  /// Adds token i's probabilities at temperature c to slice s of its sequence's mass.
  void add_slice(index_t i, row_sum<T> const& whole, int c, index_t s, T* mass) const {
    S const* const z = logits(i, s);
    Batch const top(whole.maximum), inverse(T(1) / p.at[c].temperature(i));
    Batch const share(T(1) / whole.partition[c]);
    for_lanes<Batch>(slices.size(s), [&](index_t v, auto which) {
      Batch const x = load_lanes<Batch>(z + v, which, -infinity<T>) - top;
      // fma by name: left to itself, a compiler may fuse in the body of a row and not at its end.
      store_lanes(mass + v,
                  Batch(xsimd::fma(exponential(Batch(x * inverse)), share,
                                   load_lanes<Batch>(mass + v, which))),
                  which);
    });
  }

  /// What one thread does. Answers the first token whose row cannot be used, or how many there are.
  index_t run(team const& threads) const {
    index_t const first = threads.share(slices.count), end = threads.share_end(slices.count);
    index_t const group = row_groups(p.logits.cols).rows(threads.size), none = p.tokens.tokens();
    index_t turn = 0;
    for (index_t b = 0; b < p.tokens.sequences(); ++b) {
      for (int c = 0; c < p.temperatures; ++c)
        if (p.at[c].mass.data != nullptr)
          std::fill(&p.at[c].mass(b, 0) + slices.begin(first),
                    &p.at[c].mass(b, 0) + slices.begin(end), T(0));
      index_t const sequence_end = p.tokens.offset(b + 1);
      for (index_t begin = p.tokens.offset(b); begin < sequence_end; begin += group, ++turn) {
        index_t const rows = std::min(group, sequence_end - begin);
        for (index_t row = 0; row < rows; ++row)
          for (index_t s = first; s < end && p.tokens.row(begin + row) >= 0; ++s)
            sum_slice(begin + row, s, turn, row);
        threads.wait();
        for (index_t row = 0; row < rows; ++row) {
          index_t const i = begin + row;
          auto const whole = p.tokens.row(i) >= 0 ? whole_row(i, turn, row) : row_sum<T>{};
          if (!whole.usable) return i;  // every thread comes to the same answer
          if (threads.rank == 0) {
            p.maximum(i) = whole.maximum;
            for (int c = 0; c < p.temperatures; ++c) p.at[c].partition(i) = whole.partition[c];
          }
          if (whole.maximum == -infinity<T>) continue;
          for (int c = 0; c < p.temperatures; ++c)
            if (p.at[c].mass.data != nullptr)
              for (index_t s = first; s < end; ++s)
                add_slice(i, whole, c, s, &p.at[c].mass(b, slices.begin(s)));
        }
      }
    }
    return none;
  }
};

template <class Arch, has_lanes T, storage S>
std::size_t scratch_size(simd<Arch>, vocabulary_mass<T, S, host_memory> const& p) {
  arena<host_memory> space;
  slice_sums<T>(p.logits.cols, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage S>
status run(simd<Arch>, vocabulary_mass<T, S, host_memory> const& p,
           workspace<host_memory> scratch) {
  bool contiguous = p.logits.col_stride == 1;
  for (int c = 0; c < p.temperatures; ++c) contiguous &= p.at[c].mass.col_stride == 1;
  if (!contiguous) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  mass_pass<lanes_of<T, Arch>, T, S> const pass{.p = p, .sums = {p.logits.cols, space}};
  index_t unusable = 0;
  parallel_team(p.tokens.tokens() * p.logits.cols, [&](team const& threads) {
    index_t const answer = pass.run(threads);
    if (threads.rank == 0) unusable = answer;
  });
  if (unusable < p.tokens.tokens()) return unusable_logit<T>(p.logits, p.tokens.row(unusable));
  return {};
}
}  // namespace mlot::on
