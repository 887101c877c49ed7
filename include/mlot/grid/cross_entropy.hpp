#pragma once
#include <cmath>

#include "mlot/grid/device.hpp"
#include "mlot/primitive/cross_entropy.hpp"
namespace mlot::MLOT_SET::simt {
/// One block a sequence.
template <grid Device, class T, class S>
struct cross_entropy_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  cross_entropy<T, S, typename Device::memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const b = block.index();
    T own(0);
    for (index_t i = p.tokens.offset(b) + block.thread(); i < p.tokens.offset(b + 1); i += threads)
      own += of_token(block, i);
    T const sum = block.all(own, plus());
    if (block.thread() == 0) p.out(b) = sum;
  }

 private:
  template <class Block>
  MLOT_DEVICE T of_token(Block& block, index_t i) const {
    using std::log;
    index_t const r = p.tokens.row(i);
    if (r >= p.logits.rows) report(block, findings, finding::row, i);
    if (r >= p.logits.rows || !p.labels.counts(r)) return T(0);
    index_t const label = p.labels.label(r);
    if (label < 0 || label >= p.logits.cols) {
      report(block, findings, finding::label, r);
      return T(0);
    }
    T const z = load_as<T>(p.logits(r, label)), top = p.maximum(i);
    // A row that cannot be used has maximum -inf.
    if (!(z > -infinity<T>) || top == -infinity<T>) return infinity<T>;
    return log(p.partition(i)) - (z - top);
  }
};

template <grid Device, real T, storage S>
status run(Device device, cross_entropy<T, S, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  launch(p.tokens.sequences(), cross_entropy_kernel<Device, T, S>{p, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
