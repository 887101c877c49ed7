#pragma once
#include "mlot/primitive/gather_columns.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, storage S>
status run(device, gather_columns<T, S, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.tokens.sequences(); ++b)
    for (index_t i = p.tokens.offset(b); i < p.tokens.offset(b + 1); ++i)
      for (index_t l = 0; l < p.ids.cols; ++l) {
        index_t const r = p.tokens.row(i), v = p.ids(b, l);
        p.table(i, l) = r < 0 || v < 0 ? -infinity<T> : load_as<T>(p.logits(r, v));
      }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
