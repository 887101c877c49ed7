#pragma once
#include <cmath>

#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// What one temperature of a softmax over the vocabulary leaves behind.
template <real T, class Memory>
struct tempered_mass {
  one_or_each<T, Memory> temperature{T(1)};  ///< one, or (tokens) each above 0
  vector_view<T, Memory> partition{};        ///< (tokens) written
  matrix_view<T, Memory> mass{};             ///< (B, V) written; no memory: not wanted

  MLOT_HOST_DEVICE constexpr bool given() const {
    return any_given(temperature.each, partition, mass) || temperature.one != T(1);
  }
};

/// Row log-normaliser and column mass in one pass over the logits, at one to three temperatures.
/// For token i of sequence b, row r = row(i), and each temperature tau:
///
///   maximum(i)   = max_v z(r, v)                              [logit]
///   partition(i) = sum_v exp((z(r, v) - maximum(i)) / tau)    in [1, V]
///   mass(b, v)   = sum_(i in b) exp((z(r, v) - maximum(i)) / tau) / partition(i)
///
/// The log-normaliser is maximum / tau + log partition. The two numbers are kept apart because
/// p = exp((z - maximum) / tau) / partition is then as accurate for logits near 1000 as near 0, and
/// because vocabulary shards combine by a maximum and a sum.
///
/// A row of -inf only (or an absent token) has maximum -inf, partition 0, probability 0 everywhere.
/// NaN or +inf in a row answers fault::data with its row and column; outputs are then unspecified.
/// A float exponential below the smallest normal number may count as 0.
/// Accuracy: relative to long double, partition 1e-6 in float, 1e-13 in double; mass of n tokens
/// 1e-5 + n eps / 2 in float, 1e-13 + n eps / 2 in double:
/// tests/primitive/vocabulary_mass_test.cpp. Same bits for any number of threads.
/// Source: the sums of eq. 10 (mass^T, mass^S), arXiv 2412.14528.
template <real T, storage S, class Memory>
struct vocabulary_mass {
  using memory = Memory;
  matrix_view<S const, Memory> logits{};  ///< (rows, V) any row stride
  token_rows<Memory> tokens{};            ///< B sequences
  vector_view<T, Memory> maximum{};       ///< (tokens) written
  tempered_mass<T, Memory> at[3]{};       ///< one to three, those that are given

  /// Up to the last of `at` that is given.
  [[gnu::noinline]] constexpr int temperatures() const {
    return at[2].given() ? 3 : at[1].given() ? 2 : 1;
  }

  /// exp((z - maximum) / tau) where the row has mass. V is one number or one SIMD batch.
  template <class V>
  MLOT_HOST_DEVICE static V weight(V logit, V maximum, V inverse_temperature) {
    using std::exp;
    return V(exp(V((logit - maximum) * inverse_temperature)));
  }
  constexpr status check() const {
    index_t const n = tokens.tokens(), sequences = tokens.sequences();
    requirement all;
    all.usable("vocabulary_mass.logits", logits)
        .also(tokens.check("vocabulary_mass.tokens", logits.rows))
        .vector("vocabulary_mass.maximum", maximum, n, "one element a token");
    for (int c = 0; c < temperatures() && all.answer().ok(); ++c)
      all.temperatures("vocabulary_mass.at.temperature", at[c].temperature, n)
          .vector("vocabulary_mass.at.partition", at[c].partition, n, "one element a token")
          .optional("vocabulary_mass.at.mass", at[c].mass, sequences, logits.cols,
                    "one row a sequence, one column a vocabulary id");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
