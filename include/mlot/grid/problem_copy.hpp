#pragma once
#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/problem_copy.hpp"
namespace mlot::MLOT_SET::simt {
/// One warp a piece of a row.
template <grid Device, class T, class From>
struct problem_copy_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  static constexpr int each =
      4;  ///< entries of a thread, all asked for before the first is written
  using shared = nothing_shared;
  problem_copy<T, typename Device::memory, From> p;

  MLOT_HOST_DEVICE index_t pieces_of_a_row() const {
    return blocks_for(p.batch.longest_row, 32 * each);
  }
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const pieces = pieces_of_a_row();
    for (index_t n = block.index() * Block::warps + block.warp(); n < p.batch.rows * pieces;
         n += block.blocks() * Block::warps) {
      index_t const i = n / pieces, first = n % pieces * (32 * each) + block.lane();
      index_t const columns = p.batch.column_count(segment_of(p.batch.row_offset, i));
      From x[each]{};
      for (int e = 0; e < each; ++e)
        if (first + e * 32 < columns) x[e] = p.from(i, first + e * 32);
      for (int e = 0; e < each; ++e)
        if (first + e * 32 < columns) p.to(i, first + e * 32) = T(x[e]);
    }
  }
};

template <grid Device, real T, real From>
status run(Device device, problem_copy<T, typename Device::memory, From> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  problem_copy_kernel<Device, T, From> const kernel{p};
  if (p.batch.problems() > 0)
    launch(item_blocks<Device>(p.batch.rows * kernel.pieces_of_a_row() * 32, kernel.threads),
           kernel);
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
