#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// The columns of largest mass of every list, deterministically.
///
///   ids(b, 0), ids(b, 1), ... = the vocabulary ids v by descending mass(row(b), v)
///
/// Lists are the rows of mass, or those that `row` names: a token's own columns are those of its
/// row of logits. Ties go to the lower id, on every device. Where K exceeds V, and in a list
/// without a row, the missing columns are -1 (a zero column). mass holds no NaN. Work O(V) for each
/// list plus O(log K) for each id that enters.
/// Source: ranking and truncation, eq. 10-12, arXiv 2412.14528.
template <storage T, class Memory>
struct top_columns {
  using memory = Memory;
  matrix_view<T const, Memory> mass{};       ///< (B, V), or (rows, V) of which `row` names B
  vector_view<index_t const, Memory> row{};  ///< (B) -1: none; empty: row b is list b
  matrix_view<index_t, Memory> ids{};        ///< (B, K) written; column stride 1

  /// The row of mass that list b ranks, or -1. Device memory is not read by check().
  MLOT_HOST_DEVICE constexpr index_t row_of(index_t b) const {
    index_t const r = row.empty() ? b : row(b);
    return r < mass.rows ? r : -1;
  }
  constexpr status check() const {
    requirement all;
    all.usable("top_columns.mass", mass)
        .optional("top_columns.row", row, row.size, "a pointer that is not null")
        .matrix("top_columns.ids", ids, row.empty() ? mass.rows : row.size, ids.cols,
                "one row a list");
    if constexpr (std::is_same_v<Memory, host_memory>)
      for (index_t b = 0; b < row.size && all.answer().ok(); ++b)
        all.that(row(b) >= -1 && row(b) < mass.rows, fault::data, "top_columns.row", double(row(b)),
                 "rows of mass, or -1");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
