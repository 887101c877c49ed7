#pragma once
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/loss/table_transport.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot::MLOT_SET {
namespace detail {
/// The way of the Sinkhorn distance: from tables at the transport temperature to SD and its plan,
/// and for a gradient back to the student's table. U is the arithmetic in between, T the loss's.
template <real U, class Device, real T>
struct transport_term {
  using memory = typename Device::memory;
  multi_level_options<T> const& options;
  problem_batch<memory> batch;
  matrix_view<U, memory> teacher, student;  ///< (row tokens, K), (column tokens, K)
  one_or_each<U, memory> marginal{U(1)};    ///< of both sides
  vector_view<T, memory> distance;          ///< (B) written: SD
  matrix_view<T, memory> plan;              ///< written, or no memory
  bool backward;
  T weight;
  matrix_view<T, memory> log_gradient;  ///< (column tokens, K) written: weight dSD / dlog s'

  void list(pipeline<Device>& steps) const;
};
/// Not in its class: only so does `extern template` leave it to another translation unit.
template <real U, class Device, real T>
void transport_term<U, Device, T>::list(pipeline<Device>& steps) const {
  using derivative::plan_constant, derivative::unrolled;
  auto const own = steps.template vector<U>(batch.problems());
  auto const gradient =
      backward ? steps.template matrix<U>(batch.columns, student.cols) : matrix_view<U, memory>{};
  table_transport<U, Device, absolute_difference, T, unrolled, plan_constant>{
      .teacher = teacher,
      .student = student,
      .batch = batch,
      .row_marginal = marginal,
      .column_marginal = marginal,
      .epsilon = U(options.epsilon),
      .iterations = options.iterations,
      .domain = options.domain,
      .cost_memory = options.cost_memory,
      .distance = own,
      .plan = plan,
      .weight = U(weight),
      .backward = backward,
      .derivative = options.derivative == sinkhorn_derivative::unrolled ? 0 : 1,
      .student_gradient = gradient}
      .list(steps);
  auto const column = [](auto v) {
    return matrix_view<std::remove_pointer_t<decltype(v.data)>, memory>{v.data, v.size, 1,
                                                                        v.stride};
  };
  steps.step(table_product<T, memory, U>{.left = column(own), .out = column(distance)});
  if (backward)
    steps.step(
        table_product<T, memory, U>{.left = student, .right = gradient, .out = log_gradient});
}
}  // namespace detail
}  // namespace mlot::MLOT_SET
