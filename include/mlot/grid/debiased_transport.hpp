#pragma once
#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/debiased_transport.hpp"
namespace mlot::MLOT_SET::simt {
/// One thread a problem, and one an entry of the gradient.
template <grid Device, class T>
struct debiased_transport_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  debiased_transport<T, typename Device::memory> p;

  MLOT_HOST_DEVICE index_t entries() const {
    return p.gradient.data == nullptr ? 0 : p.batch.columns * p.gradient.cols;
  }
  MLOT_DEVICE bool exists(index_t b) const {
    return p.batch.row_count(b) > 0 && p.batch.column_count(b) > 0;
  }
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for_items(block, p.batch.problems(), [&](index_t b) {
      T const both = p.teacher_self(b) + p.student_self(b);
      p.out(b) = exists(b) ? p.cross(b) - both / T(2) : T(0);
      if (!p.converged.empty())
        p.converged(b) = p.has_converged[0](b) & p.has_converged[1](b) & p.has_converged[2](b);
    });
    for_items(block, entries(), [&](index_t n) {
      index_t const j = n / p.gradient.cols, l = n % p.gradient.cols;
      bool const of_problem = exists(segment_of(p.batch.column_offset, j));
      p.gradient(j, l) = of_problem ? p.cross_gradient(j, l) - p.self_gradient(j, l) : T(0);
    });
  }
};

template <grid Device, real T>
status run(Device device, debiased_transport<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  debiased_transport_kernel<Device, T> const kernel{p};
  if (p.batch.problems() > 0)
    launch(item_blocks<Device>(most(p.batch.problems(), kernel.entries()), kernel.threads), kernel);
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
