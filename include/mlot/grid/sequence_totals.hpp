#pragma once
#include "mlot/grid/device.hpp"
#include "mlot/primitive/sequence_totals.hpp"
namespace mlot::MLOT_SET::simt {
/// One block.
template <grid Device, class T>
struct sequence_totals_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  sequence_totals<T, typename Device::memory> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    constexpr int terms = sequence_totals<T, typename Device::memory>::terms_of_a_sequence;
    T total(0);
    for (int c = 0; c < terms; ++c) {
      T sum(0);
      for (index_t b = block.thread(); b < p.terms.rows; b += Block::threads) {
        T const weight = p.weight[c](b);
        if (weight != T(0)) sum += weight * p.terms(b, c);
      }
      sum = block.all(sum, plus());
      if (block.thread() == 0) p.out(c) = sum;
      if (p.total_weight[c] != T(0)) total += p.total_weight[c] * sum;
    }
    if (block.thread() == 0) p.out(terms) = total;
  }
};

template <grid Device, real T>
status run(Device device, sequence_totals<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  launch(1, sequence_totals_kernel<Device, T>{p});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
