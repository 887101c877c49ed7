#pragma once
#include "mlot/primitive/weighted_sum.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
template <real T>
status run(scalar, weighted_sum<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t i = 0; i < p.out.rows; ++i)
    for (index_t l = 0; l < p.out.cols; ++l) {
      T sum(0);
      for (auto const& t : p.term)
        if (t.table.data != nullptr) sum += t.weight * t.table(i, l);
      p.out(i, l) = sum;
    }
  return {};
}
}  // namespace mlot::on
