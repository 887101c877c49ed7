#pragma once
#include <algorithm>

#include "mlot/core/segment.hpp"
#include "mlot/scalar/gather_columns.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// Bound by cache misses, not by arithmetic: threads over tokens, scalar loads.
template <class Arch, has_lanes T, storage S>
status run(device<Arch>, gather_columns<T, S, host_memory> const& p, workspace<host_memory>) {
  constexpr index_t cost_of_a_miss = 64, rows = 16;
  index_t const tokens = p.tokens.tokens();
  parallel_for((tokens + rows - 1) / rows, 1, cost_of_a_miss * tokens * p.ids.cols,
               [&](index_t part) {
                 for (index_t i = part * rows; i < (std::min)((part + 1) * rows, tokens); ++i) {
                   index_t const r = p.tokens.row(i), b = segment_of(p.tokens.offset, i);
                   auto const ids = p.ids.row(b);
                   auto const logits = p.logits.row(r < 0 ? 0 : r);
                   auto const table = p.table.row(i);
                   for (index_t l = 0; l < ids.size; ++l)
                     table(l) = r < 0 || ids(l) < 0 ? -infinity<T> : load_as<T>(logits(ids(l)));
                 }
               });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
