#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot::MLOT_SET {
/// Aligned tokens as transport problems of their own, between the K columns of the one and of the
/// other: student token j (position t of sequence b) is the problem whose K columns are its own
/// table's row and whose K rows are that of its partner, teacher token t of the same sequence.
///
///   aligned(j, l) = teacher(i, l)     i the partner;  0 where there is none
///   marginal(j K + l) = 1             of both sides;  0 where there is none: distance 0
///   offset(j) = j K
///
/// batch() is their shape; teacher_table() and a student's table, each as one column, their tables
/// of probabilities for pairwise_cost. Exact. Source: the token-level ablation of arXiv 2412.14528.
template <real T, class Memory>
struct token_problems {
  using memory = Memory;
  matrix_view<T const, Memory> teacher{};               ///< (teacher tokens, K)
  vector_view<index_t const, Memory> teacher_offset{};  ///< (B + 1) as in token_rows
  vector_view<index_t const, Memory> student_offset{};  ///< (B + 1)
  matrix_view<T, Memory> aligned{};                     ///< (student tokens, K) written, dense
  vector_view<T, Memory> marginal{};                    ///< (student tokens x K) written
  vector_view<index_t, Memory> offset{};                ///< (student tokens + 1) written

  constexpr index_t tokens() const { return aligned.rows; }
  constexpr index_t width() const { return aligned.cols; }
  constexpr problem_batch<Memory> batch() const {
    index_t const all = tokens() * width();
    return {.row_offset = offset,
            .column_offset = offset,
            .rows = all,
            .columns = all,
            .longest_row = width()};
  }
  /// A dense (tokens, K) table as one column.
  template <class U>
  static constexpr matrix_view<U, Memory> as_column(matrix_view<U, Memory> table) {
    return {table.data, table.rows * table.cols, 1, 1, 1};
  }
  /// The partner of student token j.
  struct partner {
    index_t token;
    bool exists;
  };
  MLOT_HOST_DEVICE constexpr partner of(index_t b, index_t j) const {
    index_t const i = teacher_offset(b) + (j - student_offset(b));
    return {i, i < teacher_offset(b + 1)};
  }

  constexpr status check() const {
    return requirement()
        .usable("token_problems.teacher", teacher)
        .matrix("token_problems.aligned", aligned, aligned.rows, teacher.cols,
                "as many columns as the teacher's table")
        .that(aligned.row_stride == aligned.cols || aligned.rows <= 1, fault::shape,
              "token_problems.aligned", double(aligned.row_stride), "dense rows")
        .vector("token_problems.teacher_offset", teacher_offset, student_offset.size,
                "as many sequences as student_offset")
        .vector("token_problems.student_offset", student_offset, student_offset.size,
                "sequences + 1 elements")
        .offsets("token_problems.teacher_offset", teacher_offset, teacher.rows)
        .offsets("token_problems.student_offset", student_offset, aligned.rows)
        .vector("token_problems.marginal", marginal, tokens() * width(),
                "one element an entry of aligned")
        .vector("token_problems.offset", offset, tokens() + 1, "student tokens + 1 elements")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
