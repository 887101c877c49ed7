#pragma once
#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/gather_columns.hpp"
namespace mlot::MLOT_SET::simt {
/// One thread an entry.
template <grid Device, class T, class S>
struct gather_columns_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  gather_columns<T, S, typename Device::memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const width = p.ids.cols;
    for_items(block, p.table.rows * width, [&](index_t n) {
      index_t const i = n / width, l = n % width, b = segment_of(p.tokens.offset, i);
      index_t const r = p.tokens.row(i), v = p.ids(b, l);
      bool const known = r < p.logits.rows && v < p.logits.cols;
      if (r >= p.logits.rows) report(block, findings, finding::row, i);
      if (v >= p.logits.cols) report(block, findings, finding::column_id, b, l);
      p.table(i, l) = r < 0 || v < 0 || !known ? -infinity<T> : load_as<T>(p.logits(r, v));
    });
  }
};

template <grid Device, real T, storage S>
status run(Device device, gather_columns<T, S, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = gather_columns_kernel<Device, T, S>;
  launch(item_blocks<Device>(p.table.rows * p.table.cols, kernel::threads),
         kernel{p, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
