#pragma once
#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot::MLOT_SET {
/// The cost of pairwise_cost as what it is made of: whoever needs C(i, j) computes it, K operations
/// an entry, and no matrix of tokens times tokens exists. Tables may be stored in a narrower type.
template <real T, class Memory, class Ground = absolute_difference, storage Table = T>
struct table_cost {
  matrix_view<Table const, Memory> teacher{};  ///< (row tokens, K)
  matrix_view<Table const, Memory> student{};  ///< (column tokens, K)
  [[no_unique_address]] Ground ground{};
};

template <real T, class Memory, class Ground, storage Table>
constexpr status check_cost(char const* argument, table_cost<T, Memory, Ground, Table> const& cost,
                            problem_batch<Memory> const& batch) {
  return requirement()
      .matrix(argument, cost.teacher, batch.rows, cost.teacher.cols, "one teacher row a row token")
      .matrix(argument, cost.student, batch.columns, cost.teacher.cols,
              "one student row a column token, as many columns as the teacher")
      .answer();
}
template <class T, class Memory>
constexpr status check_cost(char const* argument, matrix_view<T const, Memory> const& cost,
                            problem_batch<Memory> const& batch) {
  return requirement()
      .at_least(argument, cost, batch.rows, batch.longest_row,
                "one row a row token, longest_row columns")
      .answer();
}
}  // namespace mlot::MLOT_SET
