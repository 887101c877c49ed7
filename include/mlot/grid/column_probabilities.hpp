#pragma once
#include <cmath>

#include "mlot/grid/device.hpp"
#include "mlot/primitive/column_probabilities.hpp"
namespace mlot::MLOT_SET::simt {
/// One thread an entry. A token without mass, or whose temperature is none, lacks every column.
template <grid Device, class T, class From>
struct column_probabilities_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  column_probabilities<T, typename Device::memory, From> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    using std::exp, std::log;
    index_t const width = p.logits.cols;
    for_items(block, p.logits.rows * width, [&](index_t n) {
      index_t const i = n / width, l = n % width;
      T const tau = p.temperature(i), z = T(p.logits(i, l)), partition = T(p.partition(i));
      bool const usable = tau > T(0) && tau < infinity<T> && T(1) / tau < infinity<T>;
      if (!usable) report(block, findings, finding::temperature, i);
      bool const has = usable && z > -infinity<T> && partition > T(0);
      T const exponent = has ? (z - T(p.maximum(i))) / tau : -infinity<T>;
      if (p.probability.data != nullptr)
        p.probability(i, l) = has ? exp(exponent) / partition : T(0);
      if (p.log_probability.data != nullptr)
        p.log_probability(i, l) = has ? exponent - log(partition) : -infinity<T>;
    });
  }
};

template <grid Device, real T, real From>
status run(Device device, column_probabilities<T, typename Device::memory, From> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = column_probabilities_kernel<Device, T, From>;
  launch(item_blocks<Device>(p.logits.rows * p.logits.cols, kernel::threads),
         kernel{p, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
