#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot {
/// The columns of largest mass of every row, deterministically.
///
///   ids(b, 0), ids(b, 1), ... = the vocabulary ids v by descending mass(b, v)
///
/// Ties go to the lower id, on every device. Where K exceeds V the missing columns are -1 (a zero
/// column). mass holds no NaN. Work O(V) for each row plus O(log K) for each id that enters.
/// Source: ranking and truncation, eq. 10-12, arXiv 2412.14528.
template <real T, class Memory>
struct top_columns {
  using memory = Memory;
  matrix_view<T const, Memory> mass{};  ///< (B, V)
  matrix_view<index_t, Memory> ids{};   ///< (B, K) written; column stride 1

  /// Whether (mass, id) `a` ranks before `b`.
  MLOT_HOST_DEVICE static constexpr bool before(T const& mass_a, index_t a, T const& mass_b,
                                                index_t b) {
    return mass_a > mass_b || (mass_a == mass_b && a < b);
  }
  constexpr status check() const {
    return requirement()
        .usable("top_columns.mass", mass)
        .matrix("top_columns.ids", ids, mass.rows, ids.cols, "one row a row of mass")
        .answer();
  }
};
}  // namespace mlot
