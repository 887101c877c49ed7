#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/loss/table_transport.hpp"
#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/primitive/table_softmax.hpp"
namespace mlot::MLOT_SET {
namespace detail {
/// What the options of a loss on kept probabilities are called there.
template <real T>
struct kept_weights {
  weight_factor<T> weight, difference, logarithm, transport, upstream, temperature;
  /// Of the factors that the terms and their gradients have; `stretch` is what else divides logits,
  /// turned over.
  constexpr status check(index_t positions, double stretch, bool backward) const {
    T const difference_weight = T(weight.value * difference.value);
    T const logarithm_weight = T(weight.value * logarithm.value);
    T const transport_weight = T(weight.value * transport.value);
    auto const at_logits = [&](T const& w) { return T(T(upstream.value * w) / temperature.value); };
    // The logarithms of SL' are those of a softmax of probabilities: 1 + log of the columns.
    double const at_most[] = {2 * stretch, 128 * stretch,
                              most_transport_gradient(positions, true, 10, 0.1) * stretch};
    T values(0), gradient(0);
    requirement all;
    all.product({weight, difference}, difference_weight, 1, values)
        .product({weight, logarithm}, logarithm_weight, 1, values)
        .product({weight, transport}, transport_weight, 1, values);
    if (!backward) return all.answer();
    return all
        .product({weight, difference, upstream, temperature}, at_logits(difference_weight),
                 at_most[0], gradient)
        .product({weight, logarithm, upstream, temperature}, at_logits(logarithm_weight),
                 at_most[1], gradient)
        .product({weight, transport, upstream, temperature}, at_logits(transport_weight),
                 at_most[2], gradient)
        .answer();
  }
};

/// The terms that published code computes of kept probabilities t and s, (B L, K), L positions a
/// sequence; absent tokens and missing columns are zeros, and take part in SL' and SD':
///
///   HAD = mean_b mean_(its pairs) sum_l |t_l - s_l|
///   SL' = - mean_b mean_(L positions) sum_l softmax(s)_l log softmax(t)_l
///   SD' = sum_b 0.001 <P, W>,  W = L1 of softmax(. / 2) of t and of s, P = 10 Sinkhorn iterations
///         of exp(-W / 0.1) with unit marginals
template <class Device, real T>
struct kept_probability_terms {
  using memory = typename Device::memory;
  static constexpr index_t iterations = 10;
  matrix_view<T const, memory> teacher, student;                      ///< (B L, K)
  vector_view<index_t const, memory> teacher_offset, student_offset;  ///< (B + 1), L apart
  index_t positions;                                                  ///< L
  token_pairs<memory> pairs;
  T difference_weight, logarithm_weight, transport_weight;  ///< in the total
  matrix_view<T, memory> plan;                              ///< (B L, L), or no memory
  vector_view<T, memory> out;  ///< (5) written, in the places of multi_level_term
  bool backward;
  T upstream;  ///< factor of the gradient

  /// The gradient of the total with respect to s, (B L, K), where `backward`.
  matrix_view<T, memory> list(pipeline<Device>& steps) const {
    index_t const n = student.rows,
                  sequences = student_offset.size > 0 ? student_offset.size - 1 : 0;
    auto const table = [&] { return steps.template matrix<T>(n, student.cols); };
    auto const terms = steps.template matrix<T>(sequences, 4);
    auto const unused = steps.template vector<T>(sequences);
    table_softmax<T, memory> const teacher_log{.table = teacher, .log_probability = table()};
    table_softmax<T, memory> const student_soft{.table = student, .probability = table()};
    table_softmax<T, memory> const teacher_softer{
        .table = teacher, .temperature = T(2), .probability = table()};
    table_softmax<T, memory> const student_softer{
        .table = student, .temperature = T(2), .probability = table()};
    aligned_terms<T, memory> const difference{.teacher = teacher,
                                              .student = student,
                                              .student_log = student,  // its SL is not used
                                              .teacher_offset = teacher_offset,
                                              .student_offset = student_offset,
                                              .pairs = pairs,
                                              .mean_over_pairs = true,
                                              .holistic_difference = terms.column(1),
                                              .sequential_logarithm = unused};
    aligned_terms<T, memory> const swapped{
        .teacher = student_soft.probability,
        .student = student_soft.probability,  // its HAD is not used
        .student_log = teacher_log.log_probability,
        .teacher_offset = student_offset,
        .student_offset = teacher_offset,
        .mean_over_pairs = true,
        .holistic_difference = unused,
        .sequential_logarithm = terms.column(2)};
    pairwise_cost<T, memory> const pairwise{.teacher = teacher_softer.probability,
                                            .student = student_softer.probability,
                                            .batch = {.row_offset = teacher_offset,
                                                      .column_offset = student_offset,
                                                      .rows = n,
                                                      .columns = n,
                                                      .longest_row = positions},
                                            .cost = steps.template matrix<T>(n, positions)};
    sinkhorn<T, memory> const transport{
        .batch = pairwise.batch,
        .cost = pairwise.cost,
        .epsilon = T(0.1),
        .iterations = iterations,
        .history = {.row_scaling = steps.template matrix<T>(iterations, n),
                    .column_scaling = steps.template matrix<T>(iterations, n),
                    .logarithmic = steps.template vector<index_t>(sequences)},
        .plan = plan.data != nullptr ? plan : steps.template matrix<T>(n, positions),
        .distance = terms.column(3)};
    steps.step(teacher_log);
    steps.step(student_soft);
    steps.step(teacher_softer);
    steps.step(student_softer);
    steps.step(difference);
    steps.step(swapped);
    steps.step(pairwise);
    steps.step(transport);
    T const mean = sequences > 0 ? T(1) / T(double(sequences)) : T(0);
    T const per_distance = T(0.001);
    steps.step(sequence_totals<T, memory>{
        .terms = terms,
        .weight = {T(0), mean, mean, per_distance},
        .total_weight = {T(0), difference_weight, logarithm_weight, transport_weight},
        .out = out});
    if (!backward) return {};

    // Everything gathers in the gradient of the student's table.
    T const per_position = positions > 0 ? T(mean / T(double(positions))) : T(0);
    auto const table_gradient = table();
    aligned_terms_gradient<T, memory> const difference_back{
        .of = difference,
        .difference_weight = T(upstream * mean * difference_weight),
        .logarithm_weight = T(0),
        .table_gradient = table_gradient,
        .log_gradient = table()};
    table_softmax_gradient<T, memory> const swapped_back{
        .probability = student_soft.probability,
        .upstream = teacher_log.log_probability,
        .weight = T(-upstream * per_position * logarithm_weight),
        .gradient = table_gradient};
    sinkhorn_gradient<T, memory> const transport_back{
        .of = transport, .cost_gradient = steps.template matrix<T>(n, positions)};
    pairwise_cost_gradient<T, memory> const pairwise_back{
        .of = pairwise,
        .upstream = transport_back.cost_gradient,
        .weight = T(upstream * per_distance * transport_weight),
        .student_gradient = table()};
    steps.step(difference_back);
    steps.step(swapped_back);
    steps.step(transport_back);
    steps.step(pairwise_back);
    steps.step(table_softmax_gradient<T, memory>{.probability = student_softer.probability,
                                                 .upstream = pairwise_back.student_gradient,
                                                 .temperature = T(2),
                                                 .gradient = table_gradient});
    return table_gradient;
  }
};
}  // namespace detail
}  // namespace mlot::MLOT_SET
