#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_pairs.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// How teacher columns take student ids.
enum class matching_rule {
  greedy,  ///< one after another, each the free id that costs least
  exact    ///< the distinct ids whose costs have the least sum
};

/// Student ids for a teacher's columns, by how much the probabilities differ over the aligned
/// tokens. For sequence b with pairs (i, j), teacher column l and student id v:
///
///   D(l, v)      = sum_(i,j) |t(i, l) - s(j, v)|,   s(j, v) = softmax(z(row(j)) / tau)(v)
///   ids(b, l)    = by `rule`, each id at most once; ties of greedy go to the lower id
///   objective(b) = sum_l D(l, ids(b, l))            that is HAD of these columns
///
/// Where K exceeds V, columns are left without: ids -1, s = 0, D(l, -1) = sum_(i,j) t(i, l). Greedy
/// leaves the last columns, exact those whose absence costs least. An id masked in every row is
/// still an id, with s = 0.
///
/// `mass` lets a device pass over most of the vocabulary without a change in the answer: with c the
/// most pairs of one student token, D(l, v) >= sum_(i,j) t(i, l) - c mass(b, v), and an optimal
/// assignment exists that gives every column one of its K cheapest ids. Of several optima, exact
/// may answer another one then. Nothing of the size of tokens times vocabulary is kept.
/// The teacher's numbers are finite and the logits as vocabulary_mass accepted them; where the
/// costs are NaN or infinite, that is fault::data, and outputs are then unspecified.
/// Accuracy: D within 1e-5 of sum_(i,j) t + s in float, 1e-12 in double; the id that greedy takes
/// is as near to the cheapest, and the sum of exact as near to the least:
/// tests/primitive/match_columns_test.cpp. Same bits for any number of threads. Source: the
/// matchings of eq. 11, arXiv 2412.14528, over the kept teacher columns.
template <real T, storage S, class Memory>
struct match_columns {
  using memory = Memory;
  matrix_view<T const, Memory> teacher{};  ///< (teacher tokens, K) probabilities t at any tau
  vector_view<index_t const, Memory> teacher_offset{};  ///< (B + 1) as in token_rows
  matrix_view<S const, Memory> logits{};                ///< (rows, V) the student's
  token_rows<Memory> tokens{};                          ///< B sequences of the student
  vector_view<T const, Memory> maximum{};               ///< (tokens) from vocabulary_mass
  vector_view<T const, Memory> partition{};             ///< (tokens) from it, at `temperature`
  one_or_each<T, Memory> temperature{T(1)};             ///< tau, one or (tokens) each
  token_pairs<Memory> pairs{};                          ///< by position unless given
  /// (B, V) from vocabulary_mass at `temperature`; no memory: all ids are compared.
  matrix_view<T const, Memory> mass{};
  matching_rule rule = matching_rule::greedy;
  matrix_view<index_t, Memory> ids{};  ///< (B, K) written
  vector_view<T, Memory> objective{};  ///< (B) written; empty: not wanted

  constexpr status check() const {
    index_t const n = tokens.tokens(), sequences = tokens.sequences();
    requirement all;
    all.usable("match_columns.teacher", teacher)
        .vector("match_columns.teacher_offset", teacher_offset, tokens.offset.size,
                "as many sequences as tokens")
        .offsets("match_columns.teacher_offset", teacher_offset, teacher.rows)
        .usable("match_columns.logits", logits)
        .also(tokens.check("match_columns.tokens", logits.rows))
        .vector("match_columns.maximum", maximum, n, "one element a token")
        .vector("match_columns.partition", partition, n, "one element a token")
        .temperatures("match_columns.temperature", temperature, n)
        .also(pairs.check("match_columns.pairs", teacher_offset, tokens.offset))
        .optional("match_columns.mass", mass, sequences, logits.cols,
                  "one row a sequence, one column a vocabulary id")
        .matrix("match_columns.ids", ids, sequences, teacher.cols,
                "one row a sequence, one column a column of teacher")
        .optional("match_columns.objective", objective, sequences, "one element a sequence");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
