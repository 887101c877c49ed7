#pragma once
#include "mlot/primitive/table_product.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, real From>
status run(device, table_product<T, host_memory, From> const& p, workspace<host_memory>) {
  From const one(1);
  matrix_view<From const, host_memory> const ones{&one, p.left.rows, p.left.cols, 0, 0};
  auto const right = p.right.data == nullptr ? ones : p.right;
  for (index_t i = 0; i < p.left.rows; ++i)
    for (index_t l = 0; l < p.left.cols; ++l) p.out(i, l) = T(From(p.left(i, l) * right(i, l)));
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
