#pragma once
#include <algorithm>

#include "mlot/scalar/vocabulary_mass.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
/// A row comes from memory once: its exponentials are summed below a reference that its first
/// columns give, while what comes next is asked for, and its maximum is found on the way. Then,
/// over the sum, the exponentials are added to the mass while the row is in the caches: those of
/// the first columns were kept, the others are made again. One reference for the whole row: equal
/// logits have equal probabilities, bit by bit.
/// A sequence's tokens are summed in two halves, each token by token, then added. That leaves two
/// ways to share the work, with the same bits: a thread takes a half; or, with many more threads
/// than halves, first rows, then columns.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::unusable_logit;

inline constexpr index_t mass_halves = 2;
inline constexpr index_t kept_columns = index_t(1) << 15;
inline constexpr index_t most_keepers = 16;     ///< threads that have memory to keep them in
inline constexpr index_t block_columns = 1024;  ///< summed by themselves, for accuracy
inline constexpr index_t columns_of_a_task = 2048;
/// Logits over temperature may lie this far above their row's reference: exp(60) of them can be
/// added up without overflow.
inline constexpr float most_above_reference = 60;

/// The second halves' mass vectors, the exponentials that threads keep of a row, and the rows'
/// references.
template <real T>
struct mass_scratch {
  matrix_view<T, host_memory> second[3]{}, kept[3]{};
  vector_view<T, host_memory> reference{};  ///< (tokens)
  template <storage S>
  mass_scratch(vocabulary_mass<T, S, host_memory> const& p, arena<host_memory>& space) {
    index_t const keepers = (std::min)(mass_halves * p.tokens.sequences(), most_keepers);
    for (int c = 0; c < p.temperatures(); ++c)
      if (p.at[c].mass.rows > 0) {
        second[c] = space.matrix<T>(p.at[c].mass.rows, p.logits.cols);
        kept[c] = space.matrix<T>(keepers, (std::min)(kept_columns, p.logits.cols));
      }
    reference = space.vector<T>(p.tokens.tokens());
  }
};

template <class Batch, class T, storage S>
struct mass_pass {
  vocabulary_mass<T, S, host_memory> const& p;
  mass_scratch<T> const& scratch;
  int temperatures = p.temperatures();
  using masses = T* [3];
  index_t half_begin(index_t b, index_t half) const {
    return p.tokens.offset(b) + half * p.tokens.count(b) / mass_halves;
  }
  /// The mass vectors of a half, from column `begin` on; none where none are wanted.
  void masses_of(index_t b, index_t half, index_t begin, masses& mass) const {
    for (int c = 0; c < temperatures; ++c)
      mass[c] = p.at[c].mass.data == nullptr ? nullptr
                : half == 0                  ? &p.at[c].mass(b, begin)
                                             : &scratch.second[c](b, begin);
  }
  S const* logits(index_t i) const {
    index_t const r = i < p.tokens.tokens() ? p.tokens.row(i) : -1;
    return r >= 0 ? &p.logits(r, 0) : nullptr;
  }
  void inverse_temperatures(index_t i, T (&inverse)[3]) const {
    for (int c = 0; c < temperatures; ++c) inverse[c] = T(1) / p.at[c].temperature(i);
  }

  /// The maximum of the first block that has a finite one, or 0.
  T first_reference(S const* z) const {
    for (index_t begin = 0; begin < p.logits.cols; begin += block_columns) {
      Batch top(-infinity<T>);
      for_lanes<Batch>(
          (std::min)(block_columns, p.logits.cols - begin), [&](index_t v, auto which) {
            top = (xsimd::max)(top, load_lanes<Batch>(z + begin + v, which, -infinity<T>));
          });
      if (T const first = lane_max(top); first > -infinity<T>) return first;
    }
    return T(0);
  }

  /// A row's maximum, and the sums of its exponentials below a reference.
  template <int N>
  struct row_sums {
    Batch most = Batch(-infinity<T>), total[N];
  };
  /// Keeps the exponentials of the first columns where `keep` has memory, and asks for row `next`
  /// when this one ends.
  template <int N, class Powers>
  row_sums<N> sum_below(T reference, Powers powers, S const* z, S const* next,
                        masses const& keep) const {
    row_sums<N> row;
    Batch const below(reference);
    for (auto& x : row.total) x = Batch(T(0));
    for (index_t begin = 0, end; begin < p.logits.cols; begin = end) {
      end = (std::min)(begin + block_columns, p.logits.cols);
      Batch most = row.most, partial[N];
      for (auto& x : partial) x = Batch(T(0));
      T* to[N] = {};
      if (begin < kept_columns)
        for (int c = 0; c < N; ++c) to[c] = keep[c] == nullptr ? nullptr : keep[c] + begin;
      S const* const block = z + begin;
      S const* const ahead = end < p.logits.cols ? z + end : next;
      for_lanes<Batch>(end - begin, [&, powers, block, ahead](index_t v, auto which) {
        Batch e[N];
        __builtin_prefetch(ahead + v);
        Batch const logits = load_lanes<Batch>(block + v, which, -infinity<T>);
        most = (xsimd::max)(most, logits);
        powers(Batch(logits - below), e);
        for (int c = 0; c < N; ++c) {
          partial[c] += e[c];
          if (to[c] != nullptr) store_lanes(to[c] + v, e[c], which);
        }
      });
      row.most = most;
      for (int c = 0; c < N; ++c) row.total[c] += partial[c];
    }
    return row;
  }

  /// Token i's maximum, reference and partitions. False where the row cannot be used: an infinity
  /// among its logits, or a NaN, which made a partition NaN.
  bool sum(index_t i, masses const& keep) const {
    S const *const z = logits(i), *const next = logits(i + 1);
    p.maximum(i) = -infinity<T>;
    for (int c = 0; c < temperatures; ++c) p.at[c].partition(i) = T(0);
    if (z == nullptr) return true;
    T inverse[3] = {1, 1, 1};
    inverse_temperatures(i, inverse);
    T const steepest = *std::max_element(inverse, inverse + temperatures);
    T& reference = scratch.reference(i) = first_reference(z);
    bool usable = true;
    with_exponentials<Batch>(
        inverse, temperatures, [&]<int N>(std::integral_constant<int, N>, auto powers) {
          row_sums<N> row;
          T maximum;
          for (bool again = false;; again = true) {
            row = sum_below<N>(reference, powers, z, again || next == nullptr ? z : next, keep);
            maximum = p.maximum(i) = lane_max(row.most);
            usable = maximum < infinity<T>;
            T const above = (maximum - reference) * steepest;
            if (again || !usable || !(above > T(most_above_reference))) break;
            reference = maximum;
          }
          Batch to_maximum[N];
          powers(Batch(maximum > -infinity<T> ? reference - maximum : T(0)), to_maximum);
          for (int c = 0; c < N; ++c) {
            T const all = lane_sum(row.total[c]) * first_lane(to_maximum[c]);
            p.at[c].partition(i) = all;
            usable &= all < infinity<T>;
          }
        });
    return usable;
  }

  /// Adds token i's probabilities in columns begin to end to `mass`, which begins there. Every
  /// exponential has the bits that `sum` gave it.
  void add(index_t i, index_t begin, index_t end, masses const& mass, masses const& keep) const {
    if (logits(i) == nullptr || p.maximum(i) == -infinity<T>) return;
    S const* const z = logits(i) + begin;
    T inverse[3] = {1, 1, 1};
    inverse_temperatures(i, inverse);
    with_exponentials<Batch>(
        inverse, temperatures, [&]<int N>(std::integral_constant<int, N>, auto powers) {
          Batch const below(scratch.reference(i));
          Batch share[N];
          powers(Batch(below - Batch(p.maximum(i))), share);
          T* to[N];
          bool kept = true;
          for (int c = 0; c < N; ++c) {
            share[c] /= Batch(p.at[c].partition(i));
            to[c] = mass[c];
            kept &= mass[c] == nullptr || keep[c] != nullptr;
          }
          // multiply_add by name: left to itself, a compiler may fuse in the body of a row and not
          // at its end.
          auto const add_to = [](T* sum, auto which, Batch const& e, Batch const& times) {
            store_lanes(sum, Batch(multiply_add(e, times, load_lanes<Batch>(sum, which))), which);
          };
          index_t const from_memory = kept ? (std::min)(end, kept_columns) - begin : 0;
          for (int c = 0; c < N; ++c)
            if (to[c] != nullptr)
              for_lanes<Batch>(from_memory, [add_to, sum = to[c], e = keep[c], times = share[c]](
                                                index_t v, auto which) {
                add_to(sum + v, which, load_lanes<Batch>(e + v, which), times);
              });
          for_lanes<Batch>(end - begin - from_memory, [=](index_t at, auto which) {
            index_t const v = from_memory + at;
            Batch e[N];
            powers(Batch(load_lanes<Batch>(z + v, which, -infinity<T>) - below), e);
            for (int c = 0; c < N; ++c)
              if (to[c] != nullptr) add_to(to[c] + v, which, e[c], share[c]);
          });
        });
  }

  bool wants_mass() const {
    bool wanted = false;
    for (int c = 0; c < temperatures; ++c) wanted |= p.at[c].mass.data != nullptr;
    return wanted;
  }
  void clear(masses const& mass, index_t size) const {
    for (int c = 0; c < temperatures; ++c)
      if (mass[c] != nullptr) std::fill_n(mass[c], size, T(0));
  }

  /// One half of a sequence, by the thread of this rank. Answers the first token whose row cannot
  /// be used, or how many tokens there are.
  index_t run_half(index_t b, index_t half, index_t rank) const {
    masses mass{}, keep{};
    masses_of(b, half, 0, mass);
    clear(mass, p.logits.cols);
    for (int c = 0; c < temperatures; ++c)
      if (mass[c] != nullptr && rank < scratch.kept[c].rows) keep[c] = &scratch.kept[c](rank, 0);
    for (index_t i = half_begin(b, half); i < half_begin(b, half + 1); ++i) {
      if (!sum(i, keep)) return i;
      add(i, 0, p.logits.cols, mass, keep);
    }
    return p.tokens.tokens();
  }
  /// All tokens' probabilities in some columns of sequence b.
  void run_columns(index_t b, index_t begin, index_t end) const {
    for (index_t half = 0; half < mass_halves; ++half) {
      masses mass{};
      masses_of(b, half, begin, mass);
      clear(mass, end - begin);
      for (index_t i = half_begin(b, half); i < half_begin(b, half + 1); ++i)
        add(i, begin, end, mass, {});
    }
  }
  void add_halves(index_t b, index_t begin, index_t end) const {
    for (int c = 0; c < temperatures; ++c)
      if (p.at[c].mass.data != nullptr) {
        T *const sum = &p.at[c].mass(b, begin), *const other = &scratch.second[c](b, begin);
        for_lanes<Batch>(end - begin, [&](index_t v, auto which) {
          Batch const both =
              load_lanes<Batch>(sum + v, which) + load_lanes<Batch>(other + v, which);
          store_lanes(sum + v, both, which);
        });
      }
  }
};

template <class Arch, has_lanes T, storage S>
std::size_t scratch_size(device<Arch>, vocabulary_mass<T, S, host_memory> const& p) {
  arena<host_memory> space;
  mass_scratch<T>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage S>
status run(device<Arch>, vocabulary_mass<T, S, host_memory> const& p,
           workspace<host_memory> scratch) {
  bool contiguous = p.logits.col_stride == 1;
  for (int c = 0; c < p.temperatures(); ++c) contiguous &= p.at[c].mass.col_stride == 1;
  if (!contiguous) return run_strided(p, scratch);
  arena<host_memory> space(scratch);
  mass_scratch<T> const all(p, space);
  mass_pass<lanes_of<T, Arch>, T, S> const pass{p, all};
  index_t const vocabulary = p.logits.cols, tokens = p.tokens.tokens();
  index_t const halves = mass_halves * p.tokens.sequences(), work = tokens * vocabulary;
  index_t unusable = tokens;  // the first token whose row is not
  auto const found = [&](index_t i) {
    if (i == tokens) return;
#ifdef _OPENMP
#  pragma omp critical(mlot_vocabulary_mass)
#endif
    unusable = (std::min)(unusable, i);
  };
  auto const for_columns = [&](index_t work_of_all, auto body) {
    index_t const tasks = (vocabulary + columns_of_a_task - 1) / columns_of_a_task;
    parallel_for(p.tokens.sequences() * tasks, 1, work_of_all, [&](index_t n) {
      index_t const begin = n % tasks * columns_of_a_task;
      body(n / tasks, begin, (std::min)(begin + columns_of_a_task, vocabulary));
    });
  };
  if (pass.wants_mass() && max_threads() < 2 * halves) {
    parallel_for_ranks(halves, halves, work, [&](index_t n, index_t rank) {
      found(pass.run_half(n / mass_halves, n % mass_halves, rank));
    });
  } else {
    parallel_for(tokens, 1, work, [&](index_t i) { found(pass.sum(i, {}) ? tokens : i); });
    if (unusable == tokens)
      for_columns(work,
                  [&](index_t b, index_t begin, index_t end) { pass.run_columns(b, begin, end); });
  }
  if (unusable < tokens) return unusable_logit<T>(p.logits, p.tokens.row(unusable));
  if (pass.wants_mass())
    for_columns(p.tokens.sequences() * vocabulary,
                [&](index_t b, index_t begin, index_t end) { pass.add_halves(b, begin, end); });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
