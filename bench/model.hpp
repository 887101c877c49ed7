#pragma once
#include <mlot/interop/owned.hpp>

#include "measure.hpp"
namespace bench {
inline constexpr index_t columns_kept = 50;  ///< the paper's k

/// The sizes that a model's part of the loss is measured at.
struct logits_shape {
  index_t rows = 1, vocabulary = 1;
  bool operator==(logits_shape const&) const = default;
};
inline void logits_shapes(auto* benchmark) {
  benchmark->ArgNames({"rows", "V"})
      ->ArgsProduct({{1, 16, 256}, {1000, 32000, 50272, 151936}})
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime();
}
inline logits_shape logits_shape_of(benchmark::State const& state) {
  return {state.range(0), state.range(1)};
}

/// One model's logits as one sequence, stored as S, and the sums over its vocabulary.
template <mlot::storage S>
struct model {
  using T = mlot::accumulator_t<S>;
  index_t rows = 1, vocabulary = 1;
  array<S> logits;
  mlot::owned_token_rows tokens;
  array<T> maximum = array<T>(rows, T(10)), partition = maximum, soft_partition = maximum;
  array<T> mass = array<T>(vocabulary);

  /// Maxima and partitions are arbitrary until sums() is computed.
  explicit model(logits_shape s)
      : rows(s.rows), vocabulary(s.vocabulary), logits(random_logits<S>(rows, vocabulary, 1)) {
    index_t const ends[] = {0, rows};
    if (!tokens.from_offsets({ends, 2}).ok()) throw std::logic_error("bench: token rows");
  }
  auto logits_view() { return view(logits, rows, vocabulary); }
  /// At the loss's two temperatures; the ranking needs the mass at the first.
  mlot::vocabulary_mass<T, S, mlot::host_memory> sums() {
    return {.logits = logits_view(),
            .tokens = tokens,
            .maximum = view(maximum),
            .at = {{T(1), view(partition), view(mass, 1, vocabulary)},
                   {T(2), view(soft_partition), {}}}};
  }
};
}  // namespace bench
