#pragma once
#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, class Ground, storage Table>
status run(device, pairwise_cost<T, host_memory, Ground, Table> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.batch.problems(); ++b)
    for (index_t i = p.batch.row_offset(b); i < p.batch.row_offset(b + 1); ++i)
      for (index_t j = 0; j < p.batch.column_count(b); ++j) {
        index_t const s = p.batch.column_offset(b) + j;
        wide_t<T> sum(0);
        for (index_t l = 0; l < p.teacher.cols; ++l)
          sum += p.ground.value(load_as<T>(p.teacher(i, l)), load_as<T>(p.student(s, l)));
        p.cost(i, j) = T(sum);
      }
  return {};
}

template <real T, class Ground, storage Table>
status run(device, pairwise_cost_gradient<T, host_memory, Ground, Table> const& p,
           workspace<host_memory>) {
  problem_batch<host_memory> const& batch = p.of.batch;
  for (index_t b = 0; b < batch.problems(); ++b)
    for (index_t j = 0; j < batch.column_count(b); ++j)
      for (index_t l = 0; l < p.of.student.cols; ++l) {
        index_t const s = batch.column_offset(b) + j;
        wide_t<T> sum(0);
        for (index_t i = batch.row_offset(b); i < batch.row_offset(b + 1); ++i)
          sum += p.upstream(i, j) *
                 p.of.ground.slope(load_as<T>(p.of.teacher(i, l)), load_as<T>(p.of.student(s, l)));
        p.student_gradient(s, l) = p.weight(b) * T(sum);
      }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
