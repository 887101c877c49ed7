#pragma once
#include "mlot/primitive/token_problems.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T>
status run(device, token_problems<T, host_memory> const& p, workspace<host_memory>) {
  index_t const k = p.width();
  for (index_t j = 0; j <= p.tokens(); ++j) p.offset(j) = j * k;
  for (index_t b = 0; b + 1 < p.student_offset.size; ++b)
    for (index_t j = p.student_offset(b); j < p.student_offset(b + 1); ++j) {
      auto const [i, exists] = p.of(b, j);
      for (index_t l = 0; l < k; ++l) {
        p.aligned(j, l) = exists ? p.teacher(i, l) : T(0);
        p.marginal(j * k + l) = T(exists ? 1 : 0);
      }
    }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
