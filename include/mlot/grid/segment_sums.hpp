#pragma once
#include "mlot/grid/device.hpp"
#include "mlot/primitive/segment_sums.hpp"
namespace mlot::MLOT_SET::simt {
/// A block a segment.
template <grid Device, class T>
struct segment_sums_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  segment_sums<T, typename Device::memory> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const b = block.index();
    T sum(0);
    for (index_t i = p.offset(b) + block.thread(); i < p.offset(b + 1); i += Block::threads)
      sum += p.x(i);
    sum = block.all(sum, plus());
    if (block.thread() == 0) p.out(b) = sum;
  }
};

template <grid Device, real T>
status run(Device device, segment_sums<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  launch(p.segments(), segment_sums_kernel<Device, T>{p});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
