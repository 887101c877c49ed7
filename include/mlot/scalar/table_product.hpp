#pragma once
#include "mlot/primitive/table_product.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
template <real T, real From>
status run(scalar, table_product<T, host_memory, From> const& p, workspace<host_memory>) {
  for (index_t i = 0; i < p.left.rows; ++i)
    for (index_t l = 0; l < p.left.cols; ++l)
      p.out(i, l) = T(p.right.data == nullptr ? p.left(i, l) : From(p.left(i, l) * p.right(i, l)));
  return {};
}
}  // namespace mlot::on
