#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/primitive/problem_copy.hpp"
#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot {
namespace detail {
/// The way of the Sinkhorn distance: from tables at the transport temperature to SD and its plan,
/// and for a gradient back to the student's table. U is the arithmetic in between, T the loss's.
template <real U, class Device, real T>
struct transport_term {
  using memory = typename Device::memory;
  multi_level_options<T> const& options;
  problem_batch<memory> batch;
  matrix_view<U, memory> teacher, student;  ///< (row tokens, K), (column tokens, K)
  vector_view<T, memory> distance;          ///< (B) written: SD
  matrix_view<T, memory> plan;              ///< written, or no memory
  bool backward;
  T weight;
  matrix_view<T, memory> log_gradient;  ///< (column tokens, K) written: weight dSD / dlog s'

  void list(pipeline<Device>& steps) const {
    auto const new_matrix = [&] { return steps.template matrix<U>(batch.rows, batch.longest_row); };
    pairwise_cost<U, memory> const pairwise{
        .teacher = teacher, .student = student, .batch = batch, .cost = new_matrix()};
    bool const unrolls = backward && options.derivative == sinkhorn_derivative::unrolled;
    index_t const kept = unrolls ? options.iterations : 1;
    sinkhorn<U, memory> const transport{
        .batch = batch,
        .cost = pairwise.cost,
        .epsilon = U(options.epsilon),
        .iterations = options.iterations,
        .domain = options.domain,
        .history = {.row_scaling = steps.template matrix<U>(kept, batch.rows),
                    .column_scaling = steps.template matrix<U>(kept, batch.columns),
                    .logarithmic = steps.template vector<index_t>(batch.problems())},
        .plan = new_matrix(),
        .distance = steps.template vector<U>(batch.problems())};
    steps.step(pairwise);
    steps.step(transport);
    auto const column = [](auto v) {
      return matrix_view<std::remove_pointer_t<decltype(v.data)>, memory>{v.data, v.size, 1,
                                                                          v.stride};
    };
    steps.step(
        table_product<T, memory, U>{.left = column(transport.distance), .out = column(distance)});
    if (plan.data != nullptr)
      steps.step(problem_copy<T, memory, U>{.batch = batch, .from = transport.plan, .to = plan});
    if (!backward) return;
    if (unrolls)  // in the memory of the plan, which is no longer needed
      steps.step(sinkhorn_gradient<U, memory>{.of = transport, .cost_gradient = transport.plan});
    pairwise_cost_gradient<U, memory> const back{
        .of = pairwise,
        .upstream = transport.plan,
        .weight = U(weight),
        .student_gradient = steps.template matrix<U>(batch.columns, student.cols)};
    steps.step(back);
    steps.step(table_product<T, memory, U>{
        .left = pairwise.student, .right = back.student_gradient, .out = log_gradient});
  }
};
}  // namespace detail
}  // namespace mlot
