#pragma once
#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/token_problems.hpp"
namespace mlot::MLOT_SET::simt {
template <grid Device, class T>
struct token_problems_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  token_problems<T, typename Device::memory> p;

  index_t items() const { return p.tokens() * p.width() + p.tokens() + 1; }
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const k = p.aligned.cols, entries = p.aligned.rows * k;
    for_items(block, entries + p.aligned.rows + 1, [&](index_t n) {
      if (n >= entries) {
        p.offset(n - entries) = (n - entries) * k;
        return;
      }
      index_t const j = n / k, l = n % k;
      auto const partner = p.of(segment_of(p.student_offset, j), j);
      p.aligned(j, l) = partner.exists ? p.teacher(partner.token, l) : T(0);
      p.marginal(n) = T(partner.exists ? 1 : 0);
    });
  }
};

template <grid Device, real T>
status run(Device device, token_problems<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  token_problems_kernel<Device, T> const kernel{p};
  launch(item_blocks<Device>(kernel.items(), kernel.threads), kernel);
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
