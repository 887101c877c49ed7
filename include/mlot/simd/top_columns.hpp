#pragma once
#include "mlot/scalar/top_columns.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::ranking;

/// Whole batches below the last kept mass are passed over; the others are offered one by one.
template <class Arch, storage S>
requires has_lanes<accumulator_t<S>> status run(device<Arch>, top_columns<S, host_memory> const& p,
                                                workspace<host_memory> scratch) {
  using batch = lanes_of<accumulator_t<S>, Arch>;
  constexpr index_t width = index_t(batch::size);
  if (p.mass.col_stride != 1) return run_strided(p, scratch);
  parallel_for(p.ids.rows, 1, p.ids.rows * p.mass.cols, [&](index_t b) {
    index_t const r = p.row_of(b);
    ranking<S> best{p.mass.row(r < 0 ? 0 : r), p.ids.row(b)};
    index_t const size = r < 0 ? 0 : p.mass.cols;
    index_t v = 0;
    for (; v + width <= size && !best.ids.empty(); v += width) {
      if (best.full() &&
          !xsimd::any(load_lanes<batch>(&p.mass(r, v), all_lanes{}) > batch(best.last())))
        continue;
      for (index_t l = 0; l < width; ++l) best.offer(v + l);
    }
    for (; v < size; ++v) best.offer(v);
    best.finish();
  });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
