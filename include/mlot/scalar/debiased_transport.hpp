#pragma once
#include "mlot/primitive/debiased_transport.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T>
status run(device, debiased_transport<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    bool const exists = p.batch.row_count(b) > 0 && p.batch.column_count(b) > 0;
    T const both = p.teacher_self(b) + p.student_self(b);
    p.out(b) = exists ? T(p.cross(b) - both / T(2)) : T(0);
    if (!p.converged.empty())
      p.converged(b) = p.has_converged[0](b) & p.has_converged[1](b) & p.has_converged[2](b);
    if (p.gradient.data == nullptr) continue;
    for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
      for (index_t l = 0; l < p.gradient.cols; ++l)
        p.gradient(j, l) = exists ? T(p.cross_gradient(j, l) - p.self_gradient(j, l)) : T(0);
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
