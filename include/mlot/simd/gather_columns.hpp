#pragma once
#include "mlot/scalar/gather_columns.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// Bound by cache misses, not by arithmetic: threads over sequences, scalar loads.
template <class Arch, has_lanes T, storage S>
status run(simd<Arch>, gather_columns<T, S, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.tokens.sequences(); ++b)
    parallel_for(p.tokens.count(b), 16, [&](index_t t) {
      index_t const i = p.tokens.offset(b) + t, r = p.tokens.row(i);
      for (index_t l = 0; l < p.ids.cols; ++l) {
        index_t const v = p.ids(b, l);
        p.table(i, l) = r < 0 || v < 0 ? -infinity<T> : load_as<T>(p.logits(r, v));
      }
    });
  return {};
}
}  // namespace mlot::on
