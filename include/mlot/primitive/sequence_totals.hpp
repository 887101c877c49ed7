#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Terms of sequences added up to terms of the batch and a weighted total, in a fixed order:
///
///   out(c) = sum_b weight_c(b) terms(b, c)     c = 0 .. C-1
///   out(C) = sum_c total_weight[c] out(c)
///
/// A weight of 0 counts nothing, even of an infinite term.
template <real T, class Memory>
struct sequence_totals {
  using memory = Memory;
  static constexpr int terms_of_a_sequence = 4;
  matrix_view<T const, Memory> terms{};                  ///< (B, 4)
  one_or_each<T, Memory> weight[terms_of_a_sequence]{};  ///< one, or (B) each
  T total_weight[terms_of_a_sequence] = {T(1), T(1), T(1), T(1)};
  vector_view<T, Memory> out{};  ///< (5) written

  constexpr status check() const {
    requirement all;
    all.matrix("sequence_totals.terms", terms, terms.rows, terms_of_a_sequence, "4 columns")
        .vector("sequence_totals.out", out, terms_of_a_sequence + 1, "5 elements");
    for (auto const& w : weight)
      all.each("sequence_totals.weight", w, terms.rows, "one element a sequence");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
