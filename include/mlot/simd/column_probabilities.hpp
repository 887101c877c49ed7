#pragma once
#include <cmath>

#include "mlot/scalar/column_probabilities.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
template <class Arch, has_lanes T, has_lanes From>
status run(device<Arch>, column_probabilities<T, host_memory, From> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.logits.col_stride != 1 || p.probability.col_stride != 1 ||
      p.log_probability.col_stride != 1)
    return run_strided(p, scratch);
  parallel_for(p.logits.rows, 32, 4 * p.logits.rows * p.logits.cols, [&](index_t i) {
    T const partition = T(p.partition(i));
    batch const tau(p.temperature(i)), top(T(p.maximum(i))), lack(-infinity<T>);
    batch const log_partition(p.log_probability.data != nullptr ? std::log(partition) : T(0));
    From const* const logits = &p.logits(i, 0);
    T *const to = p.probability.row(i).data, *const log_to = p.log_probability.row(i).data;
    for_lanes<batch>(p.logits.cols, [=](index_t l, auto which) {
      batch const z = load_lanes<batch>(logits + l, which);
      auto const lacks = z == lack;
      batch const exponent = (z - top) / tau;
      if (to != nullptr)
        store_lanes(to + l,
                    batch(xsimd::select(lacks, batch(T(0)), exponential(exponent) / partition)),
                    which);
      if (log_to != nullptr)
        store_lanes(log_to + l, batch(xsimd::select(lacks, lack, exponent - log_partition)), which);
    });
  });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
