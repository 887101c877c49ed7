#pragma once
#include <mlot/interop/owned.hpp>

#include "measure.hpp"
namespace bench {
/// B sequences of T tokens from either model, vocabularies m (teacher) and n (student).
struct loss_shape {
  index_t sequences = 1, length = 1, m = 1, n = 1;
  bool operator==(loss_shape const&) const = default;
};
inline void loss_shapes(auto* benchmark) {
  benchmark->ArgNames({"B", "T", "m", "n"})
      ->Args({1, 64, 32000, 50272})
      ->Args({1, 256, 32000, 50272})
      ->Args({2, 128, 32000, 50272})
      ->Args({1, 128, 128256, 151936})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
inline loss_shape loss_shape_of(benchmark::State const& state) {
  return {state.range(0), state.range(1), state.range(2), state.range(3)};
}

/// Sequences of one length, packed.
inline mlot::owned_token_rows equal_sequences(index_t sequences, index_t length) {
  array<index_t> ends(sequences + 1);
  for (index_t b = 0; b <= sequences; ++b) ends[b] = b * length;
  mlot::owned_token_rows tokens;
  if (!tokens.from_offsets(view(ends)).ok()) throw std::logic_error("bench: token rows");
  return tokens;
}

/// What both losses read and write; logits and gradient stored as S.
template <mlot::storage S>
struct loss_batch {
  using shape = loss_shape;
  using T = mlot::accumulator_t<S>;
  shape of;
  index_t rows = of.sequences * of.length;
  mlot::owned_token_rows tokens = equal_sequences(of.sequences, of.length);
  array<S> teacher = random_logits<S>(rows, of.m, 1), student = random_logits<S>(rows, of.n, 2);
  array<S> gradient = array<S>(student.size());
  array<index_t> labels = random_labels(rows, of.n, 3);
  array<T> terms = array<T>(mlot::multi_level_term::count);

  explicit loss_batch(shape const& s) : of(s) {}
  auto results() { return std::tie(terms, gradient); }
  /// Tokens.
  auto items() const { return rows; }
  /// One read of the teacher, two of the student, one write of the gradient.
  double bytes() const {
    return double((teacher.size() + 2 * student.size() + gradient.size()) * sizeof(S));
  }
  /// floor_ratio: the time over that of moving those bytes as fast as this process copies memory.
  void count_floor(benchmark::State& state) const {
    using benchmark::Counter;
    state.counters["floor_ratio"] =
        Counter(bytes() / copy_bandwidth(), Counter::kIsIterationInvariantRate | Counter::kInvert);
  }
};
}  // namespace bench
