#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// Which vocabulary id each row should have predicted.
template <class Memory>
struct row_labels {
  vector_view<index_t const, Memory> label{};  ///< (rows of the logits); empty: no cross-entropy
  index_t ignore_index = -100;

  /// Whether row r (-1: absent) has a label that counts.
  MLOT_HOST_DEVICE constexpr bool counts(index_t r) const {
    return r >= 0 && !label.empty() && label(r) != ignore_index;
  }
  /// Only labels of rows that are tokens are looked at.
  [[gnu::noinline]] constexpr status check(char const* argument, token_rows<Memory> const& tokens,
                                           index_t rows, index_t vocabulary) const {
    requirement all;
    all.optional(argument, label, rows, "one label a row of the logits");
    if constexpr (std::is_same_v<Memory, host_memory>)
      for (index_t i = 0; i < tokens.tokens() && all.answer().ok(); ++i) {
        index_t const r = tokens.row(i);
        if (counts(r) && (label(r) < 0 || label(r) >= vocabulary))
          return {fault::data, argument, "a vocabulary id, or ignore_index", double(label(r)), r};
      }
    return all.answer();
  }
};

/// Cross-entropy of every sequence, at temperature 1:
///
///   CE(b) = sum_(i in b, labelled) log partition(i) - (z(r, label(r)) - maximum(i))     [nat]
///
/// A label whose logit is -inf gives +inf, which is its true value, not a fault. Its gradient
/// rides along in logit_gradient. Accuracy: 1e-6 relative in float, 1e-13 in double:
/// tests/primitive/cross_entropy_test.cpp. Source: first term of eq. 21, arXiv 2412.14528.
template <real T, storage S, class Memory>
struct cross_entropy {
  using memory = Memory;
  matrix_view<S const, Memory> logits{};  ///< (rows, V)
  token_rows<Memory> tokens{};            ///< B sequences
  row_labels<Memory> labels{};
  vector_view<T const, Memory> maximum{};    ///< (tokens) from vocabulary_mass
  vector_view<T const, Memory> partition{};  ///< (tokens) from vocabulary_mass at temperature 1
  vector_view<T, Memory> out{};              ///< (B) written

  constexpr status check() const {
    index_t const n = tokens.tokens();
    return requirement()
        .usable("cross_entropy.logits", logits)
        .also(tokens.check("cross_entropy.tokens", logits.rows))
        .also(labels.check("cross_entropy.labels", tokens, logits.rows, logits.cols))
        .vector("cross_entropy.maximum", maximum, n, "one element a token")
        .vector("cross_entropy.partition", partition, n, "one element a token")
        .vector("cross_entropy.out", out, tokens.sequences(), "one element a sequence")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
