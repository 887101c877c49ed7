#pragma once
#include "mlot/primitive/all_columns.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
inline status run(device, all_columns<host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.ids.rows; ++b)
    for (index_t l = 0; l < p.ids.cols; ++l) p.ids(b, l) = l < p.vocabulary ? l : -1;
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
