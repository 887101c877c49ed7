#pragma once
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// What a teacher has beyond the ids that it lists, and what is compared there.
enum class missing_mass {
  zero,     ///< nothing: its listed probabilities are renormalised, the student's are what they are
  uniform,  ///< its leftover mass, evenly; the student's mass there is taken as even too
  inside    ///< neither side: both are renormalised over the listed ids
};

/// A teacher by its likeliest ids, token by token: what an offline run keeps for losses over one
/// vocabulary. With l(c) the log-probabilities of a row at its listed ids and N the student's ids
/// that are not listed, the teacher's distribution is
///
///   q(c)    = exp(l(c) / temperature) / Z
///   q(rest) = N (leftover / N)^(1 / temperature) / Z under `uniform`, else 0       together
///   Z       such that they sum to 1
///
/// The rest counts as one more id, whose probability on the student's side is the sum over the
/// student's ids that are not listed: for divergences by ids that is the same as N even ones.
/// Logits in the place of log-probabilities do as well, but for leftover.
/// A row without mass is no distribution.
template <real T, storage S = T, class Memory = host_memory>
struct sparse_teacher {
  matrix_view<index_t const, Memory> ids{};          ///< (teacher rows, K) in any order; -1: none
  matrix_view<S const, Memory> log_probabilities{};  ///< (teacher rows, K) [nat]; -inf: no mass
  token_rows<Memory> tokens{};                       ///< B sequences
  missing_mass missing = missing_mass::zero;
  /// (teacher rows) mass beyond the list, at least 0. Without it 1 - sum exp(l), as exact as 1 is:
  /// up to (K + 1) eps it counts as nothing, and l in the accuracy of divergence becomes (1 + l) /
  /// leftover. Read under `uniform`.
  vector_view<T const, Memory> leftover{};
  T temperature = T(1);  ///< above 0; 0: the student's

  constexpr requirement inputs() const {
    return requirement()
        .usable("divergence.teacher.log_probabilities", log_probabilities)
        .matrix("divergence.teacher.ids", ids, log_probabilities.rows, log_probabilities.cols,
                "the shape of log_probabilities")
        .optional("divergence.teacher.leftover", leftover, log_probabilities.rows,
                  "one element a row of log_probabilities")
        .also(tokens.check("divergence.teacher.tokens", log_probabilities.rows));
  }
};
}  // namespace mlot::MLOT_SET
