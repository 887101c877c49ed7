#pragma once
#include <algorithm>

#include "mlot/core/pipeline.hpp"
#include "mlot/primitive/problem_copy.hpp"
#include "mlot/primitive/sinkhorn_gradient.hpp"
namespace mlot::MLOT_SET {
namespace detail {
/// What an element of the gradient of <P, C> with respect to logits is at most, times the weight
/// and over the temperature, for the L1 cost of probabilities and unit marginals of at most
/// `tokens`. Every unrolled iteration hands on no more than it got, beside what C / epsilon adds;
/// an epsilon below the digits of its cost counts as those.
inline double most_transport_gradient(index_t tokens, bool unrolled, index_t iterations,
                                      double epsilon) {
  double const exponent = (std::min)(2 / epsilon, 0x1p52);
  return 2 * double(tokens) * (unrolled ? 1 + 4 * double(iterations) * exponent : 1);
}

/// Entropic transport between the tokens of two tables, and back to the student's table. Cost and
/// plan lie in memory while they fit into `cost_memory` bytes; else rows of C are computed in every
/// sweep. T computes, Out is how a plan is handed over. The gradient is one of `Derivatives`,
/// chosen as the program runs.
template <real T, class Device, class Ground, real Out, class... Derivatives>
struct table_transport {
  using memory = typename Device::memory;
  static_assert(!(Derivatives::solves || ...), "a linear system has no memory here");
  matrix_view<T const, memory> teacher, student;  ///< (row tokens, K), (column tokens, K)
  problem_batch<memory> batch;
  one_or_each<T, memory> row_marginal{T(1)}, column_marginal{T(1)};
  T epsilon;
  index_t iterations;
  T tolerance = T(0);
  sinkhorn_domain domain = sinkhorn_domain::automatic;
  index_t cost_memory;
  vector_view<T, memory> distance;      ///< (B) written
  sinkhorn_report<T, memory> report{};  ///< written as far as asked for
  matrix_view<Out, memory> plan{};      ///< written, or no memory; with it nothing is streamed
  one_or_each<T, memory> weight{T(1)};  ///< of the gradient
  bool backward;
  int derivative = 0;                         ///< which of Derivatives
  matrix_view<T, memory> student_gradient{};  ///< (column tokens, K) written, if backward
  [[no_unique_address]] Ground ground{};

  constexpr bool streams() const {
    return plan.data == nullptr &&
           batch.rows * batch.longest_row > cost_memory / index_t(2 * sizeof(T));
  }
  void list(pipeline<Device>& steps) const {
    if (streams()) {
      auto const transport = iterations_on(
          steps, table_cost<T, memory, Ground>{teacher, student, ground}, matrix_view<T, memory>{});
      steps.step(transport);
      if (backward)
        choose([&]<class Derivative>(Derivative) {
          steps.step(sinkhorn_table_gradient<T, memory, Ground, Derivative>{
              .of = transport, .weight = weight, .student_gradient = student_gradient});
        });
      return;
    }
    auto const new_matrix = [&] { return steps.template matrix<T>(batch.rows, batch.longest_row); };
    pairwise_cost<T, memory, Ground> const pairwise{.teacher = teacher,
                                                    .student = student,
                                                    .batch = batch,
                                                    .cost = new_matrix(),
                                                    .ground = ground};
    auto const transport =
        iterations_on(steps, matrix_view<T const, memory>(pairwise.cost), new_matrix());
    steps.step(pairwise);
    steps.step(transport);
    if (plan.data != nullptr)
      steps.step(problem_copy<Out, memory, T>{.batch = batch, .from = transport.plan, .to = plan});
    if (!backward) return;
    choose([&]<class Derivative>(Derivative) {
      if constexpr (Derivative::whole_history)  // in the memory of the plan, no longer needed
        steps.step(sinkhorn_gradient<T, memory, Derivative>{.of = transport,
                                                            .cost_gradient = transport.plan});
    });
    steps.step(pairwise_cost_gradient<T, memory, Ground>{.of = pairwise,
                                                         .upstream = transport.plan,
                                                         .weight = weight,
                                                         .student_gradient = student_gradient});
  }

 private:
  /// Calls body(d) with the derivative that is chosen.
  template <class Body>
  void choose(Body body) const {
    int place = 0;
    ((place++ == derivative ? body(Derivatives{}) : void()), ...);
  }
  template <class Cost>
  sinkhorn<T, memory, Cost> iterations_on(pipeline<Device>& steps, Cost const& cost,
                                          matrix_view<T, memory> own_plan) const {
    index_t kept = 1;
    if (backward) choose([&](auto d) { kept = decltype(d)::whole_history ? iterations : 1; });
    return {.batch = batch,
            .cost = cost,
            .row_marginal = row_marginal,
            .column_marginal = column_marginal,
            .epsilon = epsilon,
            .iterations = iterations,
            .tolerance = tolerance,
            .domain = domain,
            .history = {.row_scaling = steps.template matrix<T>(kept, batch.rows),
                        .column_scaling = steps.template matrix<T>(kept, batch.columns),
                        .logarithmic = steps.template vector<index_t>(batch.problems()),
                        .iterations = steps.template vector<index_t>(batch.problems())},
            .plan = own_plan,
            .distance = distance,
            .report = report};
  }
};
}  // namespace detail
}  // namespace mlot::MLOT_SET
