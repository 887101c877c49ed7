#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Probabilities of gathered columns under the softmax over the whole vocabulary.
///
///   probability(i, l)     = exp((z(i, l) - maximum(i)) / tau) / partition(i)
///   log_probability(i, l) = (z(i, l) - maximum(i)) / tau - log(partition(i))
///
/// Logits and sums may come in another type (float) than the arithmetic is done in (double).
/// log_probability is never the logarithm of a rounded probability. z = -inf gives exactly 0 and
/// -inf. Accuracy: 4 eps max(1, |log p|) relative for probability, 4 eps max(1, |log p|) absolute
/// for its logarithm: tests/primitive/column_tables_test.cpp. Source: t_v, s_v of eq. 10, arXiv
/// 2412.14528.
template <real T, class Memory, real From = T>
struct column_probabilities {
  using memory = Memory;
  matrix_view<From const, Memory> logits{};     ///< (tokens, K) from gather_columns
  vector_view<From const, Memory> maximum{};    ///< (tokens) from vocabulary_mass
  vector_view<From const, Memory> partition{};  ///< (tokens) from vocabulary_mass at `temperature`
  one_or_each<T, Memory> temperature{T(1)};     ///< one, or (tokens) each
  matrix_view<T, Memory> probability{};         ///< (tokens, K) written; no memory: not wanted
  matrix_view<T, Memory> log_probability{};     ///< (tokens, K) written; no memory: not wanted

  constexpr status check() const {
    return requirement()
        .usable("column_probabilities.logits", logits)
        .vector("column_probabilities.maximum", maximum, logits.rows, "one element a token")
        .vector("column_probabilities.partition", partition, logits.rows, "one element a token")
        .temperatures("column_probabilities.temperature", temperature, logits.rows)
        .optional("column_probabilities.probability", probability, logits.rows, logits.cols,
                  "the shape of logits")
        .optional("column_probabilities.log_probability", log_probability, logits.rows, logits.cols,
                  "the shape of logits")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
