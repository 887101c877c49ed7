#pragma once
#include "mlot/scalar/vocabulary_mass.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// A sequence's tokens are summed in two halves, one mass vector each, then added: two threads can
/// work on one sequence, and the order of summation is the same for any number of threads.
inline constexpr index_t mass_halves = 2;

/// The second half's mass vectors.
template <real T, storage S>
struct second_halves {
  matrix_view<T, host_memory> mass[3]{};
  second_halves(vocabulary_mass<T, S, host_memory> const& p, arena<host_memory>& space) {
    for (int c = 0; c < p.temperatures; ++c)
      if (p.at[c].mass.data != nullptr || space.counts_only())
        if (p.at[c].mass.rows > 0) mass[c] = space.matrix<T>(p.at[c].mass.rows, p.at[c].mass.cols);
  }
};

template <class Arch, has_lanes T, storage S>
std::size_t scratch_size(simd<Arch>, vocabulary_mass<T, S, host_memory> const& p) {
  arena<host_memory> space;
  second_halves<T, S>(p, space);
  return space.bytes();
}

/// Maximum of a row; +inf or NaN where the row holds one (which then matters no further).
template <class Batch, storage S>
typename Batch::value_type row_maximum(S const* row, index_t size) {
  using T = typename Batch::value_type;
  Batch top(-infinity<T>);
  auto usable = top < Batch(infinity<T>);
  for_lanes<Batch>(size, [&](index_t v, auto which) {
    Batch const z = load_lanes<Batch>(row + v, which, -infinity<T>);
    usable = usable & (z < Batch(infinity<T>));
    top = xsimd::max(top, z);
  });
  return xsimd::all(usable) ? lane_max(top) : infinity<T>;
}

/// One token: its maximum, its partitions, and its probabilities added to `mass`. Answers whether
/// its row can be used.
template <class Batch, class T, storage S>
bool add_token(vocabulary_mass<T, S, host_memory> const& p, index_t i, T* const (&mass)[3]) {
  index_t const r = p.tokens.row(i), vocabulary = p.logits.cols;
  S const* const row = r >= 0 ? &p.logits(r, 0) : nullptr;
  T const top = r >= 0 ? row_maximum<Batch>(row, vocabulary) : -infinity<T>;
  if (!(top < infinity<T>)) return false;
  p.maximum(i) = top;
  T inverse[3] = {1, 1, 1};
  for (int c = 0; c < p.temperatures; ++c) {
    inverse[c] = T(1) / p.at[c].temperature(i);
    p.at[c].partition(i) = T(0);
  }
  if (top == -infinity<T>) return true;
  Batch sums[3] = {Batch(T(0)), Batch(T(0)), Batch(T(0))};
  for_exponentials<Batch>(row, vocabulary, top, inverse, p.temperatures,
                          [&]<int N>(index_t, auto, Batch const(&e)[N]) {
                            for (int c = 0; c < N; ++c) sums[c] += e[c];
                          });
  for (int c = 0; c < p.temperatures; ++c) {
    p.at[c].partition(i) = lane_sum(sums[c]);
    if (mass[c] == nullptr) continue;
    Batch const share(T(1) / p.at[c].partition(i));
    T const only[3] = {inverse[c]};
    for_exponentials<Batch>(row, vocabulary, top, only, 1, [&](index_t v, auto which, auto& e) {
      // fma by name: left to itself, a compiler may fuse in the body of a row and not at its end.
      Batch const sum = load_lanes<Batch>(mass[c] + v, which);
      store_lanes(mass[c] + v, Batch(xsimd::fma(e[0], share, sum)), which);
    });
  }
  return true;
}

template <class Arch, has_lanes T, storage S>
status run(simd<Arch>, vocabulary_mass<T, S, host_memory> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  bool contiguous = p.logits.col_stride == 1;
  for (int c = 0; c < p.temperatures; ++c) contiguous &= p.at[c].mass.col_stride == 1;
  if (!contiguous) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  second_halves<T, S> const second(p, space);
  index_t const sequences = p.tokens.sequences(), none = p.tokens.tokens();
  index_t unusable = none;  // the first token whose row is not
  parallel_for(sequences * mass_halves, 1, [&](index_t task) {
    index_t const b = task / mass_halves, half = task % mass_halves;
    T* mass[3] = {};
    for (int c = 0; c < p.temperatures; ++c)
      if (p.at[c].mass.data != nullptr) {
        mass[c] = half == 0 ? &p.at[c].mass(b, 0) : &second.mass[c](b, 0);
        std::fill_n(mass[c], p.logits.cols, T(0));
      }
    index_t const count = p.tokens.count(b), first = p.tokens.offset(b) + half * count / 2;
    for (index_t i = first; i < p.tokens.offset(b) + (half + 1) * count / 2; ++i)
      if (!add_token<batch>(p, i, mass)) {
#ifdef _OPENMP
#  pragma omp critical(mlot_vocabulary_mass)
#endif
        unusable = std::min(unusable, i);
        return;
      }
  });
  if (unusable != none) return unusable_logit<T>(p.logits, p.tokens.row(unusable));
  for (int c = 0; c < p.temperatures; ++c)
    if (p.at[c].mass.data != nullptr)
      parallel_for(sequences, 1, [&](index_t b) {
        T *const sum = &p.at[c].mass(b, 0), *const other = &second.mass[c](b, 0);
        for_lanes<batch>(p.logits.cols, [&](index_t v, auto which) {
          store_lanes(
              sum + v,
              batch(load_lanes<batch>(sum + v, which) + load_lanes<batch>(other + v, which)),
              which);
        });
      });
  return {};
}
}  // namespace mlot::on
