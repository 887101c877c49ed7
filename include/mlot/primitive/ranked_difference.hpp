#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_pairs.hpp"
#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot::MLOT_SET {
/// The tokens of a model, with what vocabulary_mass found at one temperature: everything that makes
///
///   p(i, v) = exp((z(row(i), v) - maximum(i)) / temperature) / partition(i)
///
/// which is 0 for a masked logit, in a row of nothing else, and for an absent token.
template <real T, storage S, class Memory>
struct token_softmax {
  matrix_view<S const, Memory> logits{};     ///< (rows, V) any row stride
  token_rows<Memory> tokens{};               ///< B sequences
  vector_view<T const, Memory> maximum{};    ///< (tokens)
  vector_view<T const, Memory> partition{};  ///< (tokens) at `temperature`
  T temperature = T(1);                      ///< above 0

  MLOT_HOST_DEVICE T probability(index_t i, index_t v) const {
    index_t const r = tokens.row(i);
    if (r < 0 || !(partition(i) > T(0))) return T(0);
    T const z = load_as<T>(logits(r, v));
    if (!(z > -infinity<T>)) return T(0);
    using softmax = vocabulary_mass<T, S, Memory>;
    T const p = softmax::weight(z, T(maximum(i)), T(T(1) / temperature)) / partition(i);
    return p > T(0) ? p : T(0);  // never NaN, which no sort survives
  }
  constexpr requirement inputs(char const* argument) const {
    return requirement()
        .usable(argument, logits)
        .count(logits.cols <= 0x7fffffff, argument, logits.cols, -1, "columns", "at most 2^31 - 1")
        .also(tokens.check(argument, logits.rows))
        .vector(argument, maximum, tokens.tokens(), "one maximum a token")
        .vector(argument, partition, tokens.tokens(), "one partition a token")
        .temperature(argument, temperature);
  }
};

/// Difference between the probabilities of aligned tokens, rank by rank, and its gradient with
/// respect to the student's logits. With p_(0) >= p_(1) >= .. the sorted probabilities of a teacher
/// token i, s_(0) >= s_(1) >= .. those of a student token j, 0 beyond a vocabulary:
///
///   out(b) = (1 / divisor(b)) sum_(i,j) sum_(l < ranks) |p_(l) - s_(l)|    in [0, 2] as a mean
///
/// With h(j, v) = sum_(i : (i,j)) sign(s(j, v) - p_(l)), l the rank of v in the student's token, 0
/// where l is not below `ranks`:
///
///   gradient(r, v) = weight(b) / (divisor(b) temperature) s(j, v) (h(j, v) - mean(j))
///                  + cross_entropy_weight (q(v) - [v = label(r)])           q at temperature 1
///   mean(j)        = sum_u s(j, u) h(j, u)
///
/// Equal probabilities are ranked by id, the lower first, and sign(0) = 0. So the gradient is one
/// number for every input, also where the difference has a kink; where two logits or the two sides
/// differ by less than rounding it is that of either order. A probability below 1.2e-38 may count
/// as 0. Masked logits get exactly 0. An absent token, or a row of -inf only, has p = 0 everywhere.
/// Every row of `gradient` is written: rows that are no token become 0; in place (gradient =
/// student.logits) is allowed. On the host reads a student row once, a teacher row once a pair.
/// Accuracy: out within 1e-6 in float and 1e-14 in double of a mean's 0 to 2, the gradient within
/// 2e-6 and 1e-13 of the norm of its summands; half and bfloat16 within 3 of their eps of an
/// entry's largest summand: tests/primitive/ranked_difference_test.cpp. Same bits for any number of
/// threads.
/// Source: Boizard et al., Towards Cross-Tokenizer Distillation: the Universal Logit Distillation
/// Loss for LLMs, arXiv 2402.12030, eq. 5 and 6.
template <real T, storage Teacher, storage Student, storage Gradient, class Memory>
struct ranked_difference {
  using memory = Memory;
  token_softmax<T, Teacher, Memory> teacher{};
  token_softmax<T, Student, Memory> student{};
  token_pairs<Memory> pairs{};   ///< by position unless given
  index_t k = 0;                 ///< ranks that are compared; 0: all
  bool mean_over_pairs = true;   ///< divisor: the sequence's number of pairs, or 1 where false
  vector_view<T, Memory> out{};  ///< (B) written

  one_or_each<T, Memory> weight{T(1)};  ///< of the gradient: one, or (B) each
  row_labels<Memory> labels{};          ///< (student rows), or empty; only for the gradient
  vector_view<T const, Memory>
      label_partition{};  ///< (student tokens) at temperature 1, if labelled
  T cross_entropy_weight = T(1);
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) written; no memory: not wanted

  MLOT_HOST_DEVICE constexpr index_t ranks() const {
    index_t const m = teacher.logits.cols, n = student.logits.cols, widest = m > n ? m : n;
    return k > 0 && k < widest ? k : widest;
  }
  MLOT_HOST_DEVICE constexpr T divisor(index_t b) const {
    index_t const count = pairs.count(b, teacher.tokens.count(b), student.tokens.count(b));
    return mean_over_pairs && count > 0 ? T(double(count)) : T(1);
  }
  MLOT_HOST_DEVICE constexpr bool backward() const { return gradient.data != nullptr; }

  constexpr status check() const {
    index_t const sequences = student.tokens.sequences();
    requirement all;
    all.also(teacher.inputs("ranked_difference.teacher").answer())
        .also(student.inputs("ranked_difference.student").answer())
        .count("ranked_difference.teacher", teacher.tokens.sequences(), sequences, "sequences",
               "as many as the student has")
        .also(pairs.check("ranked_difference.pairs", teacher.tokens.offset, student.tokens.offset))
        .at_least("ranked_difference.k", k, 0, "at least 0")
        .vector("ranked_difference.out", out, sequences, "one element a sequence")
        .weights("ranked_difference.weight", weight, sequences, "one element a sequence")
        .also(labels.check("ranked_difference.labels", student.tokens, student.logits.rows,
                           student.logits.cols))
        .finite("ranked_difference.cross_entropy_weight", cross_entropy_weight)
        .optional("ranked_difference.gradient", gradient, student.logits.rows, student.logits.cols,
                  "the shape of the student's logits");
    if (backward() && !labels.label.empty())
      all.vector("ranked_difference.label_partition", label_partition, student.tokens.tokens(),
                 "one element a student token");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
