#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/cost/absolute_difference.hpp"
namespace mlot::MLOT_SET {
/// The shape of a ragged batch of transport problems: problem b has the rows (teacher tokens) and
/// columns (student tokens) of sequence b. All its matrices lie in one matrix (row tokens, longest
/// column sequence): row i is row token i; problem b uses the first column_count(b) columns of its
/// rows; the rest is neither read nor written.
template <class Memory>
struct problem_batch {
  using memory = Memory;
  vector_view<index_t const, Memory> row_offset{};     ///< (B + 1) from 0, never falling
  vector_view<index_t const, Memory> column_offset{};  ///< (B + 1)
  index_t rows = 0, columns = 0;                       ///< tokens of either side, all problems
  index_t longest_row = 0;                             ///< most columns that one problem has

  MLOT_HOST_DEVICE constexpr index_t problems() const {
    return row_offset.size > 0 ? row_offset.size - 1 : 0;
  }
  MLOT_HOST_DEVICE constexpr index_t row_count(index_t b) const {
    return row_offset(b + 1) - row_offset(b);
  }
  MLOT_HOST_DEVICE constexpr index_t column_count(index_t b) const {
    return column_offset(b + 1) - column_offset(b);
  }
  /// Problem b's part of a matrix over the batch.
  template <class T>
  MLOT_HOST_DEVICE constexpr matrix_view<T, Memory> of(matrix_view<T, Memory> m, index_t b) const {
    return {m.at(row_offset(b) * m.row_stride), row_count(b), column_count(b), m.row_stride,
            m.col_stride};
  }
  [[gnu::noinline]] constexpr status check(char const* argument) const {
    requirement all;
    all.vector(argument, row_offset, column_offset.size, "as many problems on both sides")
        .vector(argument, column_offset, column_offset.size, "problems + 1 offsets");
    if constexpr (std::is_same_v<Memory, host_memory>) {
      if (!all.answer().ok() || row_offset.empty()) return all.answer();
      all.that(row_offset(0) == 0 && column_offset(0) == 0, fault::shape, argument,
               double(row_offset(0)), "offsets from 0");
      for (index_t b = 0; b < problems(); ++b) {
        all.that(row_count(b) >= 0 && column_count(b) >= 0, fault::shape, argument,
                 double(row_count(b)), "offsets that never fall");
        all.count(column_count(b) <= longest_row, argument, longest_row, column_count(b), "columns",
                  "`longest_row` of at least every problem's columns");
      }
      all.count(argument, row_offset(problems()), rows, "rows", "a last offset equal to `rows`")
          .count(argument, column_offset(problems()), columns, "columns",
                 "a last offset equal to `columns`");
    }
    return all.answer();
  }
};

/// Cost of every teacher token against every student token of the same sequence.
///
///   C(i, j) = sum_l ground(t(i, l), s(j, l))        [the ground cost's unit]
///
/// With absolute_difference over probability rows, 0 <= C <= 2. Work O(K) an entry.
/// Accuracy: float 1e-6, double 1e-14 absolute for probability rows:
/// tests/primitive/pairwise_cost_test.cpp. Source: eq. 17, arXiv 2412.14528.
/// Tables may be stored in a narrower type than T, which computes.
template <real T, class Memory, class Ground = absolute_difference, storage Table = T>
struct pairwise_cost {
  using memory = Memory;
  matrix_view<Table const, Memory> teacher{};  ///< (row tokens, K)
  matrix_view<Table const, Memory> student{};  ///< (column tokens, K)
  problem_batch<Memory> batch{};
  matrix_view<T, Memory> cost{};  ///< (row tokens, >= longest_row) written
  [[no_unique_address]] Ground ground{};

  constexpr requirement inputs() const {
    return requirement()
        .also(batch.check("pairwise_cost.batch"))
        .matrix("pairwise_cost.teacher", teacher, batch.rows, teacher.cols, "one row a row token")
        .matrix("pairwise_cost.student", student, batch.columns, teacher.cols,
                "one row a column token, as many columns as teacher");
  }
  constexpr status check() const {
    return inputs()
        .at_least("pairwise_cost.cost", cost, batch.rows, batch.longest_row,
                  "one row a row token, longest_row columns")
        .answer();
  }
};

/// Gradient of sum_ij upstream(i, j) C(i, j), times weight(b), with respect to the student's table:
///
///   student_gradient(j, l) = weight(b) sum_i upstream(i, j) slope(t(i, l), s(j, l))
template <real T, class Memory, class Ground = absolute_difference, storage Table = T>
struct pairwise_cost_gradient {
  using memory = Memory;
  pairwise_cost<T, Memory, Ground, Table> of{};  ///< inputs as in the forward; cost is not read
  matrix_view<T const, Memory> upstream{};       ///< (row tokens, >= longest_row)
  one_or_each<T, Memory> weight{T(1)};           ///< one, or (B) each
  matrix_view<T, Memory> student_gradient{};     ///< (column tokens, K) written

  constexpr status check() const {
    return of.inputs()
        .at_least("pairwise_cost_gradient.upstream", upstream, of.batch.rows, of.batch.longest_row,
                  "one row a row token, longest_row columns")
        .weights("pairwise_cost_gradient.weight", weight, of.batch.problems(),
                 "one element a problem")
        .matrix("pairwise_cost_gradient.student_gradient", student_gradient, of.batch.columns,
                of.student.cols, "the shape of student")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
