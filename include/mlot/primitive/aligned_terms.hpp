#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_pairs.hpp"
namespace mlot::MLOT_SET {
/// The two terms that compare aligned tokens. For sequence b and its aligned pairs (i, j):
///
///   HAD(b) =   sum_(i,j) sum_l |t(i, l) - s(j, l)|          holistic absolute difference, eq. 14
///   SL(b)  = - sum_(i,j) sum_l t(i, l) log s(j, l)          sequential logarithmic, eq. 16
///
/// A column that the student lacks at a token (log s = -inf: a missing column, a masked logit)
/// counts in HAD as 0 and is skipped by SL; t = 0 contributes 0 to SL whatever s is. Finite for
/// finite logits. Accuracy: 1e-6 relative in float, 1e-13 in double:
/// tests/primitive/aligned_terms_test.cpp. Source: arXiv 2412.14528.
template <real T, class Memory>
struct aligned_terms {
  using memory = Memory;
  matrix_view<T const, Memory> teacher{};               ///< (teacher tokens, K) probabilities t
  matrix_view<T const, Memory> student{};               ///< (student tokens, K) probabilities s
  matrix_view<T const, Memory> student_log{};           ///< (student tokens, K) log s
  vector_view<index_t const, Memory> teacher_offset{};  ///< (B + 1) as in token_rows
  vector_view<index_t const, Memory> student_offset{};  ///< (B + 1)
  token_pairs<Memory> pairs{};                          ///< by position unless given
  bool mean_over_pairs = false;  ///< divide both terms of a sequence by its number of pairs
  vector_view<T, Memory> holistic_difference{};   ///< (B) written: HAD
  vector_view<T, Memory> sequential_logarithm{};  ///< (B) written: SL

  constexpr index_t sequences() const {
    return student_offset.size > 0 ? student_offset.size - 1 : 0;
  }
  constexpr requirement inputs() const {
    return requirement()
        .usable("aligned_terms.teacher", teacher)
        .matrix("aligned_terms.student", student, student.rows, teacher.cols,
                "as many columns as the teacher's table")
        .matrix("aligned_terms.student_log", student_log, student.rows, student.cols,
                "the shape of student")
        .vector("aligned_terms.teacher_offset", teacher_offset, student_offset.size,
                "as many sequences as student_offset")
        .vector("aligned_terms.student_offset", student_offset, student_offset.size,
                "sequences + 1 elements")
        .offsets("aligned_terms.teacher_offset", teacher_offset, teacher.rows)
        .offsets("aligned_terms.student_offset", student_offset, student.rows)
        .also(pairs.check("aligned_terms.pairs", teacher_offset, student_offset));
  }
  constexpr status check() const {
    return inputs()
        .vector("aligned_terms.holistic_difference", holistic_difference, sequences(),
                "one element a sequence")
        .vector("aligned_terms.sequential_logarithm", sequential_logarithm, sequences(),
                "one element a sequence")
        .answer();
  }
};

/// Gradient of  sum_b difference_weight(b) HAD(b) + logarithm_weight(b) SL(b):
///
///   table_gradient(j, l) =   difference_weight(b) sum_(i : (i,j)) sign(s(j, l) - t(i, l))
///   log_gradient(j, l)   = - logarithm_weight(b) sum_(i : (i,j)) t(i, l)     0 where skipped
///
/// table_gradient is with respect to s, log_gradient with respect to log s; sign(0) = 0.
template <real T, class Memory>
struct aligned_terms_gradient {
  using memory = Memory;
  aligned_terms<T, Memory> of{};                   ///< inputs as in the forward; outputs not read
  one_or_each<T, Memory> difference_weight{T(1)};  ///< one, or (B) each
  one_or_each<T, Memory> logarithm_weight{T(1)};
  matrix_view<T, Memory> table_gradient{};  ///< (student tokens, K) written
  matrix_view<T, Memory> log_gradient{};    ///< (student tokens, K) written

  constexpr status check() const {
    return of.inputs()
        .weights("aligned_terms_gradient.difference_weight", difference_weight, of.sequences(),
                 "one element a sequence")
        .weights("aligned_terms_gradient.logarithm_weight", logarithm_weight, of.sequences(),
                 "one element a sequence")
        .matrix("aligned_terms_gradient.table_gradient", table_gradient, of.student.rows,
                of.student.cols, "the shape of student")
        .matrix("aligned_terms_gradient.log_gradient", log_gradient, of.student.rows,
                of.student.cols, "the shape of student")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
