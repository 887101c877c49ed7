#pragma once
#include "mlot/primitive/problem_copy.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, real From>
status run(device, problem_copy<T, host_memory, From> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    auto const from = p.batch.of(p.from, b);
    auto const to = p.batch.of(p.to, b);
    for (index_t i = 0; i < from.rows; ++i)
      for (index_t j = 0; j < from.cols; ++j) to(i, j) = T(from(i, j));
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
