#pragma once
#include "mlot/primitive/segment_sums.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T>
status run(device, segment_sums<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.segments(); ++b) {
    wide_t<T> sum(0);
    for (index_t i = p.offset(b); i < p.offset(b + 1); ++i) sum += p.x(i);
    p.out(b) = T(sum);
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
