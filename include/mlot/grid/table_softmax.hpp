#pragma once
#include <cmath>

#include "mlot/grid/device.hpp"
#include "mlot/primitive/table_softmax.hpp"
namespace mlot::MLOT_SET::simt {
/// One warp a row.
template <grid Device, class T>
struct table_softmax_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  table_softmax<T, typename Device::memory> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    using std::exp, std::log;
    for (index_t i = block.index() * Block::warps + block.warp(); i < p.table.rows;
         i += block.blocks() * Block::warps) {
      T top = -infinity<T>;
      for (index_t l = block.lane(); l < p.table.cols; l += 32) top = most(top, p.table(i, l));
      top = block.warp_all(top, maximum());
      T sum(0);
      for (index_t l = block.lane(); l < p.table.cols; l += 32)
        sum += exp((p.table(i, l) - top) / p.temperature);
      T const partition = block.warp_all(sum, plus()), log_partition = log(partition);
      for (index_t l = block.lane(); l < p.table.cols; l += 32) {
        T const exponent = (p.table(i, l) - top) / p.temperature;
        if (p.probability.data != nullptr) p.probability(i, l) = exp(exponent) / partition;
        if (p.log_probability.data != nullptr) p.log_probability(i, l) = exponent - log_partition;
      }
    }
  }
};

template <grid Device, class T>
struct table_softmax_gradient_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  table_softmax_gradient<T, typename Device::memory> p;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for (index_t i = block.index() * Block::warps + block.warp(); i < p.probability.rows;
         i += block.blocks() * Block::warps) {
      T expected(0);
      for (index_t l = block.lane(); l < p.probability.cols; l += 32)
        expected += p.probability(i, l) * p.upstream(i, l);
      expected = block.warp_all(expected, plus());
      for (index_t l = block.lane(); l < p.probability.cols; l += 32)
        p.gradient(i, l) +=
            p.weight / p.temperature * p.probability(i, l) * (p.upstream(i, l) - expected);
    }
  }
};

template <grid Device, real T>
status run(Device device, table_softmax<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = table_softmax_kernel<Device, T>;
  launch(item_blocks<Device>(p.table.rows * 32, kernel::threads), kernel{p});
  return launch.answer();
}

template <grid Device, real T>
status run(Device device, table_softmax_gradient<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = table_softmax_gradient_kernel<Device, T>;
  launch(item_blocks<Device>(p.probability.rows * 32, kernel::threads), kernel{p});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
