#pragma once
#include "mlot/grid/device.hpp"
#include "mlot/primitive/all_columns.hpp"
namespace mlot::MLOT_SET::simt {
template <grid Device>
struct all_columns_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  all_columns<typename Device::memory> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for_items(block, p.ids.rows * p.ids.cols, [&](index_t n) {
      index_t const l = n % p.ids.cols;
      p.ids(n / p.ids.cols, l) = l < p.vocabulary ? l : -1;
    });
  }
};

template <grid Device>
status run(Device device, all_columns<typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  all_columns_kernel<Device> const kernel{p};
  launch(item_blocks<Device>(p.ids.rows * p.ids.cols, kernel.threads), kernel);
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
