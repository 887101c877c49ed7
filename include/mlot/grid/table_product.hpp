#pragma once
#include "mlot/grid/device.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot::MLOT_SET::simt {
/// One thread an entry.
template <grid Device, class T, class From>
struct table_product_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  table_product<T, typename Device::memory, From> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const width = p.left.cols;
    for_items(block, p.left.rows * width, [&](index_t n) {
      index_t const i = n / width, l = n % width;
      From const left = p.left(i, l);
      p.out(i, l) = T(p.right.data == nullptr ? left : left * p.right(i, l));
    });
  }
};

template <grid Device, real T, real From>
status run(Device device, table_product<T, typename Device::memory, From> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = table_product_kernel<Device, T, From>;
  launch(item_blocks<Device>(p.left.rows * p.left.cols, kernel::threads), kernel{p});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
