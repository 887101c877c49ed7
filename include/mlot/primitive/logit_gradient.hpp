#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/primitive/gather_columns.hpp"
namespace mlot::MLOT_SET {
/// What reached the k columns of one softmax: H(i, l) = dL / d log p(i, ids(b, l)), given as a
/// gradient with respect to p, to log p, or both:
///
///   H(i, l) = probability(i, l) table_gradient(i, l) + log_gradient(i, l)
template <real T, class Memory>
struct column_gradient {
  one_or_each<T, Memory> temperature{T(1)};       ///< one, or (tokens) each
  vector_view<T const, Memory> partition{};       ///< (tokens) at that temperature
  matrix_view<index_t const, Memory> ids{};       ///< (B, K) -1: no column
  matrix_view<T const, Memory> probability{};     ///< (tokens, K)
  matrix_view<T const, Memory> table_gradient{};  ///< (tokens, K), or no memory: zero
  matrix_view<T const, Memory> log_gradient{};    ///< (tokens, K), or no memory: zero

  MLOT_HOST_DEVICE constexpr bool given() const {
    return any_given(temperature.each, partition, ids, probability, table_gradient, log_gradient) ||
           temperature.one != T(1);
  }
  MLOT_HOST_DEVICE constexpr T at(index_t i, index_t l) const {
    T h = T(0);
    if (table_gradient.data != nullptr) h += probability(i, l) * table_gradient(i, l);
    if (log_gradient.data != nullptr) h += log_gradient(i, l);
    return h;
  }
};

/// Gradient with respect to the logits, of everything at once, in one pass over them: for every
/// token i with row r, softmaxes c with temperature tau_c and probabilities p_c,
///
///   gradient(r, v) = sum_c (1 / tau_c) (sum_l [v = ids_c(b, l)] H_c(i, l) - p_c(v) S_c(i))
///                  + cross_entropy_weight (q(v) - [v = label(r)])          q at temperature 1
///   S_c(i)         = sum_l H_c(i, l)
///
/// that is, one or two scalars times the softmax plus at most 2K + 1 sparse entries. Every row of
/// `gradient` is written: rows that are no token become 0. Masked logits (-inf) get exactly 0.
/// Reads the logits once, writes the gradient once; in place (gradient = logits) is allowed.
/// Accuracy: float within 1e-6, double within 1e-13 of the norm of the summands (softmax parts and
/// sparse entries by themselves); half and bfloat16 within 3 of their eps of an entry's largest
/// summand: tests/primitive/logit_gradient_test.cpp.
/// Source: section "Gradient with respect to student logits" of docs/numerics.md.
template <real T, storage S, storage G, class Memory>
struct logit_gradient {
  using memory = Memory;
  matrix_view<S const, Memory> logits{};    ///< (rows, V)
  token_rows<Memory> tokens{};              ///< B sequences
  vector_view<T const, Memory> maximum{};   ///< (tokens)
  column_gradient<T, Memory> columns[2]{};  ///< none to two, those that are given
  row_labels<Memory> labels{};
  vector_view<T const, Memory> label_partition{};  ///< (tokens) at temperature 1, if labelled
  T cross_entropy_weight = T(1);
  matrix_view<G, Memory> gradient{};  ///< (rows, V) written

  /// Up to the last of `columns` that is given.
  [[gnu::noinline]] constexpr int column_gradients() const {
    return columns[1].given() ? 2 : columns[0].given() ? 1 : 0;
  }
  constexpr status check() const {
    index_t const n = tokens.tokens();
    requirement all;
    all.usable("logit_gradient.logits", logits)
        .also(tokens.check("logit_gradient.tokens", logits.rows))
        .also(labels.check("logit_gradient.labels", tokens, logits.rows, logits.cols))
        .vector("logit_gradient.maximum", maximum, n, "one element a token")
        .finite("logit_gradient.cross_entropy_weight", cross_entropy_weight)
        .matrix("logit_gradient.gradient", gradient, logits.rows, logits.cols,
                "the shape of logits");
    if (!labels.label.empty())
      all.vector("logit_gradient.label_partition", label_partition, n, "one element a token");
    for (int c = 0; c < column_gradients() && all.answer().ok(); ++c) {
      auto const& from = columns[c];
      index_t const k = from.ids.cols;
      all.temperatures("logit_gradient.columns.temperature", from.temperature, n)
          .vector("logit_gradient.columns.partition", from.partition, n, "one element a token")
          .matrix("logit_gradient.columns.ids", from.ids, tokens.sequences(), k,
                  "one row a sequence")
          .optional("logit_gradient.columns.table_gradient", from.table_gradient, n, k,
                    "one row a token, one column a column of ids")
          .optional("logit_gradient.columns.log_gradient", from.log_gradient, n, k,
                    "one row a token, one column a column of ids");
      if (from.table_gradient.data != nullptr)
        all.matrix("logit_gradient.columns.probability", from.probability, n, k,
                   "one row a token, one column a column of ids");
      all.also(check_ids("logit_gradient.columns.ids", from.ids, logits.cols));
    }
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
