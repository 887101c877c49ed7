#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/primitive/deviation_temperature.hpp"
#include "mlot/primitive/gather_columns.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/primitive/table_softmax.hpp"
#include "mlot/primitive/top_columns.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot {
/// What the authors' public PyTorch code computes (commit 712cfb4, f = 1), which is not what the
/// paper says; for those who compare with its numbers.
///
///   z <- z / (std(z) + 1e-4) per row; columns ranked once for the whole batch, 50 of them
///   HAD = mean_b mean_(t < min lengths) sum_l |t_l - s_l|
///   SL' = - mean_b mean_(L positions) sum_l softmax(s)_l log softmax(t)_l     arguments swapped
///   SD' = sum_b 0.001 <P, W>,  W = L1 of softmax(. / 2) of the kept probabilities,
///         P = 10 Sinkhorn iterations of exp(-W / 0.1) with unit marginals, padded rows included
///   total = weight (HAD + 0.1 SL' + 0.1 SD')
///
/// `terms` has multi_level's places; cross_entropy is 0 there (theirs is the model's own loss).
/// Where theirs is NaN (an empty answer, masked logits) ours is finite: an empty window counts 0, a
/// mask is left out of std. Faults as multi_level. Accuracy: double 1e-9 relative against runs of
/// the authors' code, each part and its gradient alone: tests/loss/reference_code_test.cpp.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct reference_code {
  using memory = Memory;
  static constexpr index_t kept_columns = 50, iterations = 10;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m)
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  /// B sequences of L tokens each: the answer windows moved to position 0, absent tokens (-1)
  /// behind them. mlot/loss/answer_windows.hpp builds them, and the pairs, from labels.
  token_rows<Memory> teacher_windows{}, student_windows{};
  token_pairs<Memory> pairs{};  ///< position by position up to the shorter window
  T teacher_temperature = T(1), student_temperature = T(1);
  T weight = T(1);  ///< the code's distillation_weight
  T difference_weight = T(1), logarithm_weight = T(0.1), transport_weight = T(0.1);
  T upstream = T(1);  ///< factor of the gradient

  vector_view<T, Memory> terms{};            ///< (5) written
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) written, or no memory
  matrix_view<index_t, Memory> teacher_columns{}, student_columns{};  ///< (1, 50) optional
  matrix_view<T, Memory> plan{};                                      ///< (B L, L) optional

  constexpr status check() const {
    requirement all;
    index_t const b = student_windows.sequences();
    all.usable("reference_code.teacher_logits", teacher_logits)
        .usable("reference_code.student_logits", student_logits)
        .also(teacher_windows.check("reference_code.teacher_windows", teacher_logits.rows))
        .also(student_windows.check("reference_code.student_windows", student_logits.rows))
        .that(teacher_windows.sequences() == b, fault::shape, "reference_code.teacher_windows",
              double(teacher_windows.sequences()), "as many sequences as student_windows")
        .that(student_windows.tokens() == b * student_windows.longest &&
                  teacher_windows.tokens() == student_windows.tokens(),
              fault::shape, "reference_code.teacher_windows", double(teacher_windows.tokens()),
              "windows of one length, absent tokens behind them")
        .also(pairs.check("reference_code.pairs", teacher_windows.offset, student_windows.offset))
        .temperature("reference_code.teacher_temperature", teacher_temperature)
        .temperature("reference_code.student_temperature", student_temperature)
        .finite("reference_code.weight", weight)
        .finite("reference_code.difference_weight", difference_weight)
        .finite("reference_code.logarithm_weight", logarithm_weight)
        .finite("reference_code.transport_weight", transport_weight)
        .finite("reference_code.upstream", upstream)
        .vector("reference_code.terms", terms, 5, "5 elements")
        .optional("reference_code.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits")
        .optional("reference_code.teacher_columns", teacher_columns, b > 0 ? 1 : 0, kept_columns,
                  "1 row, 50 columns")
        .optional("reference_code.student_columns", student_columns, b > 0 ? 1 : 0, kept_columns,
                  "1 row, 50 columns");
    if (plan.data != nullptr)
      all.at_least("reference_code.plan", plan, teacher_windows.tokens(), student_windows.longest,
                   "one row a teacher token, as many columns as a window");
    return all.answer();
  }
};

namespace detail {
/// One model's kept probabilities (B L, 50), ranked over the whole batch.
template <class Device, real T, storage S>
struct batch_ranked_model {
  using memory = typename Device::memory;
  deviation_temperature<T, S, memory> spread{};
  vector_view<T, memory> maximum{}, partition{};
  matrix_view<T, memory> mass{}, table{};
  matrix_view<index_t, memory> ids{};

  batch_ranked_model(pipeline<Device>& steps, matrix_view<S const, memory> logits,
                     token_rows<memory> const& windows, T const& temperature,
                     matrix_view<index_t, memory> lent_ids, index_t kept, char const* argument) {
    index_t const n = windows.tokens();
    token_rows<memory> batch = windows;  // all windows as one sequence
    if (index_t const b = windows.sequences(); b > 0) batch.offset = {windows.offset.data, 2, b};
    batch.longest = n;
    spread = {.logits = logits,
              .tokens = batch,
              .base = temperature,
              .mean = steps.template vector<T>(n),
              .deviation = steps.template vector<T>(n),
              .temperature = steps.template vector<T>(n)};
    maximum = steps.template vector<T>(n);
    partition = steps.template vector<T>(n);
    mass = steps.template matrix<T>(batch.sequences(), logits.cols);
    ids = lent_ids.data != nullptr ? lent_ids
                                   : steps.template matrix<index_t>(batch.sequences(), kept);
    table = steps.template matrix<T>(n, kept);
    steps.step(spread);
    vocabulary_mass<T, S, memory> sums{.logits = logits, .tokens = batch, .maximum = maximum};
    sums.at[0] = {.temperature = {spread.temperature}, .partition = partition, .mass = mass};
    steps.step(sums, argument);
  }
  void rank(pipeline<Device>& steps) {
    auto const picked = steps.template matrix<T>(table.rows, table.cols);
    steps.step(top_columns<T, memory>{.mass = mass, .ids = ids});
    steps.step(gather_columns<T, S, memory>{
        .logits = spread.logits, .tokens = spread.tokens, .ids = ids, .table = picked});
    steps.step(column_probabilities<T, memory>{.logits = picked,
                                               .maximum = maximum,
                                               .partition = partition,
                                               .temperature = {spread.temperature},
                                               .probability = table});
  }
};
}  // namespace detail

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(
    pipeline<Device>& steps,
    reference_code<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  using code = reference_code<T, Teacher, Student, Gradient, memory>;
  index_t const kept = code::kept_columns, sequences = loss.student_windows.sequences();
  index_t const n = loss.student_windows.tokens(), longest = loss.student_windows.longest;
  detail::batch_ranked_model<Device, T, Teacher> teacher(
      steps, loss.teacher_logits, loss.teacher_windows, loss.teacher_temperature,
      loss.teacher_columns, kept, "reference_code.teacher_logits");
  detail::batch_ranked_model<Device, T, Student> student(
      steps, loss.student_logits, loss.student_windows, loss.student_temperature,
      loss.student_columns, kept, "reference_code.student_logits");  // faults in data end here
  teacher.rank(steps);
  student.rank(steps);

  // Forward. Probabilities are soft-maxed again, zero rows and zero columns included.
  auto const table = [&] { return steps.template matrix<T>(n, kept); };
  auto const terms = steps.template matrix<T>(sequences, 4);
  auto const unused = steps.template vector<T>(sequences);
  table_softmax<T, memory> const teacher_log{.table = teacher.table, .log_probability = table()};
  table_softmax<T, memory> const student_soft{.table = student.table, .probability = table()};
  table_softmax<T, memory> const teacher_softer{
      .table = teacher.table, .temperature = T(2), .probability = table()};
  table_softmax<T, memory> const student_softer{
      .table = student.table, .temperature = T(2), .probability = table()};
  aligned_terms<T, memory> const difference{.teacher = teacher.table,
                                            .student = student.table,
                                            .student_log = student.table,  // its SL is not used
                                            .teacher_offset = loss.teacher_windows.offset,
                                            .student_offset = loss.student_windows.offset,
                                            .pairs = loss.pairs,
                                            .mean_over_pairs = true,
                                            .holistic_difference = terms.column(1),
                                            .sequential_logarithm = unused};
  aligned_terms<T, memory> const swapped{
      .teacher = student_soft.probability,
      .student = student_soft.probability,  // its HAD is not used
      .student_log = teacher_log.log_probability,
      .teacher_offset = loss.student_windows.offset,
      .student_offset = loss.teacher_windows.offset,
      .mean_over_pairs = true,
      .holistic_difference = unused,
      .sequential_logarithm = terms.column(2)};
  pairwise_cost<T, memory> const pairwise{.teacher = teacher_softer.probability,
                                          .student = student_softer.probability,
                                          .batch = {.row_offset = loss.teacher_windows.offset,
                                                    .column_offset = loss.student_windows.offset,
                                                    .rows = n,
                                                    .columns = n,
                                                    .longest_row = longest},
                                          .cost = steps.template matrix<T>(n, longest)};
  sinkhorn<T, memory> const transport{
      .batch = pairwise.batch,
      .cost = pairwise.cost,
      .epsilon = T(0.1),
      .iterations = code::iterations,
      .history = {.row_scaling = steps.template matrix<T>(code::iterations, n),
                  .column_scaling = steps.template matrix<T>(code::iterations, n),
                  .logarithmic = steps.template vector<index_t>(sequences)},
      .plan = loss.plan.data != nullptr ? loss.plan : steps.template matrix<T>(n, longest),
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
  steps.step(
      sequence_totals<T, memory>{.terms = terms,
                                 .weight = {T(0), mean, mean, per_distance},
                                 .total_weight = {T(0), T(loss.weight * loss.difference_weight),
                                                  T(loss.weight * loss.logarithm_weight),
                                                  T(loss.weight * loss.transport_weight)},
                                 .out = loss.terms});
  if (loss.gradient.data == nullptr) return;

  // Backward. Everything gathers in the gradient of the student's table.
  T const scale = T(loss.weight * loss.upstream);
  T const positions = longest > 0 ? T(double(longest)) : T(1);
  auto const table_gradient = table();
  aligned_terms_gradient<T, memory> const difference_back{
      .of = difference,
      .difference_weight = T(scale * mean * loss.difference_weight),
      .logarithm_weight = T(0),
      .table_gradient = table_gradient,
      .log_gradient = table()};
  table_softmax_gradient<T, memory> const swapped_back{
      .probability = student_soft.probability,
      .upstream = teacher_log.log_probability,
      .weight = T(-scale * mean * loss.logarithm_weight / positions),
      .gradient = table_gradient};
  sinkhorn_gradient<T, memory> const transport_back{
      .of = transport, .cost_gradient = steps.template matrix<T>(n, longest)};
  pairwise_cost_gradient<T, memory> const pairwise_back{
      .of = pairwise,
      .upstream = transport_back.cost_gradient,
      .weight = T(scale * per_distance * loss.transport_weight),
      .student_gradient = table()};
  steps.step(difference_back);
  steps.step(swapped_back);
  steps.step(transport_back);
  steps.step(pairwise_back);
  steps.step(table_softmax_gradient<T, memory>{.probability = student_softer.probability,
                                               .upstream = pairwise_back.student_gradient,
                                               .temperature = T(2),
                                               .gradient = table_gradient});
  steps.step(logit_gradient<T, Student, Gradient, memory>{
      .logits = loss.student_logits,
      .tokens = student.spread.tokens,
      .maximum = student.maximum,
      .columns = {{.temperature = {student.spread.temperature},
                   .partition = student.partition,
                   .ids = student.ids,
                   .probability = student.table,
                   .table_gradient = table_gradient},
                  {}},
      .column_gradients = 1,
      .gradient = loss.gradient});
  steps.step(deviation_temperature_gradient<T, Student, Gradient, memory>{
      .of = student.spread, .gradient = loss.gradient});
}
}  // namespace mlot
