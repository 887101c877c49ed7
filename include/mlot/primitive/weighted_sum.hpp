#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot {
/// Entry by entry sum of up to three small tables:
///
///   out(i, l) = sum_c weight_c term_c(i, l),   over the terms that have memory
///
/// One rounding a term: tests/primitive/weighted_sum_test.cpp.
template <real T, class Memory>
struct weighted_sum {
  using memory = Memory;
  struct weighted {
    T weight{};
    matrix_view<T const, Memory> table{};  ///< the shape of out, or no memory
  };
  weighted term[3]{};
  matrix_view<T, Memory> out{};  ///< written

  constexpr status check() const {
    requirement all = requirement().usable("weighted_sum.out", out);
    for (auto const& t : term)
      all.optional("weighted_sum.term", t.table, out.rows, out.cols, "the shape of out");
    return all.answer();
  }
};
}  // namespace mlot
