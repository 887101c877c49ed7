#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_pairs.hpp"
#include "mlot/divergence/probability_pair.hpp"
#include "mlot/primitive/cross_entropy.hpp"
namespace mlot::MLOT_SET {
/// A teacher by its logits at every id. Log-probabilities are such logits, at temperature 1.
template <real T, storage S = T, class Memory = host_memory>
struct dense_teacher {
  matrix_view<S const, Memory> logits{};  ///< (teacher rows, m) any row stride
  token_rows<Memory> tokens{};            ///< B sequences
  T temperature = T(0);                   ///< above 0; 0: the student's

  constexpr requirement inputs() const {
    return requirement()
        .usable("divergence.teacher.logits", logits)
        .also(tokens.check("divergence.teacher.tokens", logits.rows));
  }
};

/// Divergence between the distributions of aligned tokens over one vocabulary, cross-entropy
/// beside it, and the gradient of both, while the rows are in the caches. For sequence b and its
/// aligned pairs (i, j), with q = softmax(teacher row / its temperature) at teacher token i and
/// p = softmax(z / temperature) at student token j,
///
///   out(b) = sum_(i,j) D(q || p)                                                  [nat]
///   CE(b)  = as in cross_entropy, at temperature 1; 0 without labels
///   gradient(r, v) = weight(b) / temperature sum_(i : (i,j)) p_v (h_v - <p, h>)      h = dD / dp
///                  + cross_entropy_weight (softmax(z)_v - [v = label(r)])
///
/// Kind is D: value and p h by ids, see mlot/divergence/. Ids are compared number by number: one
/// beyond the narrower vocabulary is as if its logits there were -inf. Where it is only padding of
/// a wider lm_head, give views of the columns that count instead.
/// -inf masks an id: probability 0 and gradient 0, exactly. An id that only one side has is as the
/// kind says, at worst +inf, which is its true value and no fault; the gradient is finite: where
/// the slope is infinite (reverse KL where the teacher lacks an id) the id is left out, with
/// gradient 0, and the others are compared among themselves. A row of -inf only, or an absent
/// token, has no distribution: its pairs count 0. Never NaN.
/// A sparse_teacher's ids beyond its list count as one id: `missing_mass` says what it is worth.
/// Every row of `gradient` is written: rows that are no token become 0. In place (gradient =
/// student_logits) is allowed, over the teacher's logits it is not. Without memory for `gradient`:
/// values only.
/// NaN or +inf in the row of a student token, or of a teacher token in a pair, or there a list that
/// names an id twice or one below -1, answers fault::data
/// with its row and column; `gradient` is then unspecified, the other outputs are untouched.
/// Host memory, simd: reads either side once, writes the gradient once.
/// Accuracy, with l the largest -log p or -log q: the value of a pair within 4e-7 (1 + l) in float,
/// 1e-15 (1 + l) in double, the gradient within as much of the norm of its summands, cross-entropy
/// within 1e-6 (1 + CE) and 1e-13 (1 + CE); half and bfloat16 gradients within an eps more:
/// tests/primitive/divergence_test.cpp. Same bits for any number of threads.
template <real T, class Kind, class Teacher, storage S, storage G, class Memory>
requires divergence_kind<Kind, T>
struct divergence {
  using memory = Memory;
  Teacher teacher{};                              ///< a dense_teacher or a sparse_teacher
  matrix_view<S const, Memory> student_logits{};  ///< (student rows, n) any row stride
  token_rows<Memory> student_tokens{};            ///< B sequences
  T temperature = T(1);                           ///< the student's, above 0
  token_pairs<Memory> pairs{};                    ///< by position unless given
  row_labels<Memory> labels{};
  Kind kind{};
  vector_view<T, Memory> out{};            ///< (B) written
  vector_view<T, Memory> cross_entropy{};  ///< (B) written, or no memory: not wanted
  one_or_each<T, Memory> weight{T(1)};     ///< of D in the gradient: one, or (B) each
  T cross_entropy_weight = T(1);           ///< of CE in the gradient
  matrix_view<G, Memory> gradient{};       ///< (student rows, n) written, or no memory

  constexpr index_t sequences() const { return student_tokens.sequences(); }
  /// Pairs in all, or more.
  constexpr index_t most_pairs() const {
    return pairs.by_position() ? student_tokens.tokens() : pairs.student.size;
  }
  MLOT_HOST_DEVICE constexpr T teacher_temperature() const {
    return teacher.temperature == T(0) ? temperature : teacher.temperature;
  }
  MLOT_HOST_DEVICE constexpr bool backward() const { return gradient.data != nullptr; }

  constexpr requirement inputs() const {
    index_t const b = sequences();
    return teacher.inputs()
        .usable("divergence.student_logits", student_logits)
        .also(student_tokens.check("divergence.student_tokens", student_logits.rows))
        .count("divergence.teacher.tokens", teacher.tokens.sequences(), b, "sequences",
               "as many as student_tokens has")
        .temperature("divergence.temperature", temperature)
        .temperature("divergence.teacher.temperature", teacher_temperature())
        .also(pairs.check("divergence.pairs", teacher.tokens.offset, student_tokens.offset))
        .also(labels.check("divergence.labels", student_tokens, student_logits.rows,
                           student_logits.cols))
        .also(kind.check())
        .optional("divergence.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits");
  }
  constexpr status check() const {
    index_t const b = sequences();
    return inputs()
        .vector("divergence.out", out, b, "one element a sequence")
        .optional("divergence.cross_entropy", cross_entropy, b, "one element a sequence")
        .weights("divergence.weight", weight, b, "one element a sequence")
        .finite("divergence.cross_entropy_weight", cross_entropy_weight)
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
