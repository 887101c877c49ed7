#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Entry by entry product of two small tables, stored in another type; or a copy.
///
///   out(i, l) = left(i, l) right(i, l)      right without memory: 1
///
/// A gradient with respect to p becomes one with respect to log p this way. Exact to one rounding
/// of either type: tests/primitive/table_product_test.cpp.
template <real T, class Memory, real From = T>
struct table_product {
  using memory = Memory;
  matrix_view<From const, Memory> left{};   ///< (rows, K)
  matrix_view<From const, Memory> right{};  ///< (rows, K), or no memory
  matrix_view<T, Memory> out{};             ///< (rows, K) written

  constexpr status check() const {
    return requirement()
        .usable("table_product.left", left)
        .optional("table_product.right", right, left.rows, left.cols, "the shape of left")
        .matrix("table_product.out", out, left.rows, left.cols, "the shape of left")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
