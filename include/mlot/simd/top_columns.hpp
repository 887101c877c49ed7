#pragma once
#include "mlot/scalar/top_columns.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// Whole batches below the last kept mass are passed over; the others are offered one by one.
template <class Arch, has_lanes T>
status run(simd<Arch>, top_columns<T, host_memory> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  constexpr index_t width = index_t(batch::size);
  if (p.mass.col_stride != 1) return run(scalar{}, p, scratch);
  parallel_for(p.mass.rows, 1, p.mass.rows * p.mass.cols, [&](index_t b) {
    ranking<T> best{p.mass.row(b), p.ids.row(b)};
    index_t v = 0;
    for (; v + width <= p.mass.cols && !best.ids.empty(); v += width) {
      if (best.full() && !xsimd::any(batch::load_unaligned(&p.mass(b, v)) > batch(best.last())))
        continue;
      for (index_t l = 0; l < width; ++l) best.offer(v + l);
    }
    for (; v < p.mass.cols; ++v) best.offer(v);
    best.finish();
  });
  return {};
}
}  // namespace mlot::on
