#pragma once
#include <algorithm>

#include "mlot/loss/multi_level_options.hpp"
#include "mlot/loss/ranked_model.hpp"
#include "mlot/loss/transport_term.hpp"
#include "mlot/primitive/all_columns.hpp"
#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/sequence_totals.hpp"
namespace mlot::MLOT_SET {
/// SinKD: the samples of a batch moved from the teacher to the student, over a vocabulary (or
/// classes) that both share.
///
///   W_ij = sum_v |t_v(i) - s_v(j)|,  t, s = softmax(z / temperature)
///   SD   = <P, W>,  P after `iterations` Sinkhorn rounds of exp(-W / epsilon), unit marginals
///   L    = CE + weight sum_b SD(b)
///
/// A sequence of `token_rows` is one batch of samples; several are several problems. Ids beyond a
/// side's vocabulary have probability 0 there. Tables are (samples, vocabulary): it is made for
/// classes and for small batches, where multi_level keeps k columns.
/// `terms` has multi_level's places; absolute_difference and logarithmic are 0. Labels, masks,
/// faults and untouched outputs as in multi_level. Accuracy: terms 1e-10 relative in double, 1e-5
/// in float; gradient 1e-11 and 1e-6 of its norm and weight upstream / temperature a sample, as its
/// summands cancel where samples have no id in common: tests/loss/sinkd_test.cpp. Source: Cui et
/// al., SinKD: Sinkhorn distance minimization for knowledge distillation, COLING 2024.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct sinkd {
  using memory = Memory;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m)
  token_rows<Memory> teacher_samples{};                 ///< B batches
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  token_rows<Memory> student_samples{};                 ///< B batches
  row_labels<Memory> labels{};                          ///< (student rows), or empty
  T temperature = T(2);                                 ///< above 0
  T epsilon = T(0.1);                                   ///< in units of W, above 0
  index_t iterations = 20;                              ///< at least 1
  T weight = T(1);                                      ///< of SD against cross-entropy
  T upstream = T(1);                                    ///< factor of the gradient
  sinkhorn_derivative derivative = sinkhorn_derivative::unrolled;

  vector_view<T, Memory> terms{};            ///< (5) written, see multi_level_term
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) dL/dz; no memory: forward only
  matrix_view<T, Memory> plan{};             ///< (teacher samples, longest student batch) optional

  constexpr index_t batches() const { return student_samples.sequences(); }
  constexpr bool has_labels() const { return !labels.label.empty(); }
  /// Columns of the tables.
  constexpr index_t width() const { return (std::max)(teacher_logits.cols, student_logits.cols); }

  constexpr status check() const {
    requirement all;
    all.usable("sinkd.teacher_logits", teacher_logits)
        .usable("sinkd.student_logits", student_logits)
        .also(teacher_samples.check("sinkd.teacher_samples", teacher_logits.rows))
        .also(student_samples.check("sinkd.student_samples", student_logits.rows))
        .count("sinkd.teacher_samples", teacher_samples.sequences(), batches(), "batches",
               "as many as student_samples has")
        .also(
            labels.check("sinkd.labels", student_samples, student_logits.rows, student_logits.cols))
        .temperature("sinkd.temperature", temperature)
        .temperature("sinkd.epsilon", epsilon)
        .at_least("sinkd.iterations", iterations, 1, "at least 1")
        .finite("sinkd.weight", weight)
        .finite("sinkd.upstream", upstream)
        .also(check_weights())
        .vector("sinkd.terms", terms, multi_level_term::count, "5 elements")
        .optional("sinkd.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits");
    if (plan.data != nullptr)
      all.at_least("sinkd.plan", plan, teacher_samples.tokens(), student_samples.longest,
                   "one row a teacher sample, student_samples.longest columns");
    return all.answer();
  }

 private:
  /// Of the factors that the gradients of the terms have in list_steps().
  constexpr status check_weights() const {
    if (gradient.data == nullptr) return {};
    weight_factor<T> const loss_scale{"sinkd.upstream", upstream};
    index_t const longest = (std::max)(teacher_samples.longest, student_samples.longest);
    T at_most(0);
    return requirement()
        .product({loss_scale}, upstream, 1, at_most)
        .product(
            {{"sinkd.weight", weight}, loss_scale, {"sinkd.temperature", temperature, true}},
            T(T(weight * upstream) / temperature),
            detail::most_transport_gradient(longest, derivative == sinkhorn_derivative::unrolled,
                                            iterations, as_double(epsilon)),
            at_most)
        .answer();
  }
};

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(pipeline<Device>& steps,
                sinkd<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  bool const backward = loss.gradient.data != nullptr;
  index_t const batches = loss.batches(), width = loss.width();
  auto const every_id = [&](index_t vocabulary) {
    all_columns<memory> const all{.vocabulary = vocabulary,
                                  .ids = steps.template matrix<index_t>(batches, width)};
    steps.step(all);
    return all.ids;
  };
  detail::ranked_model<Device, T, Teacher> teacher{.logits = loss.teacher_logits,
                                                   .tokens = loss.teacher_samples,
                                                   .temperature = loss.temperature,
                                                   .transport_temperature = loss.temperature,
                                                   .ids = every_id(loss.teacher_logits.cols),
                                                   .transport_ids = {}};
  detail::ranked_model<Device, T, Student> student{.logits = loss.student_logits,
                                                   .tokens = loss.student_samples,
                                                   .temperature = loss.temperature,
                                                   .transport_temperature = loss.temperature,
                                                   .ids = every_id(loss.student_logits.cols),
                                                   .transport_ids = {}};
  teacher.sum_vocabulary(steps, "sinkd.teacher_logits", false, false, false);
  student.sum_vocabulary(steps, "sinkd.student_logits", false, false, loss.has_labels());
  teacher.gather(steps, "sinkd.teacher_logits", false, false);
  student.gather(steps, "sinkd.student_logits", false, false);

  auto const terms = steps.template matrix<T>(batches, 4);
  steps.step(cross_entropy<T, Student, memory>{
      .logits = loss.student_logits,
      .tokens = loss.student_samples,
      .labels = loss.labels,
      .maximum = student.maximum,
      .partition = loss.has_labels() ? student.unit_partition : student.partition,
      .out = terms.column(multi_level_term::cross_entropy)});
  auto const log_gradient = backward
                                ? steps.template matrix<T>(loss.student_samples.tokens(), width)
                                : matrix_view<T, memory>{};
  multi_level_options<T> const options{
      .epsilon = loss.epsilon, .iterations = loss.iterations, .derivative = loss.derivative};
  detail::transport_term<T, Device, T>{.options = options,
                                       .batch = {.row_offset = loss.teacher_samples.offset,
                                                 .column_offset = loss.student_samples.offset,
                                                 .rows = loss.teacher_samples.tokens(),
                                                 .columns = loss.student_samples.tokens(),
                                                 .longest_row = loss.student_samples.longest},
                                       .teacher = teacher.table,
                                       .student = student.table,
                                       .distance = terms.column(multi_level_term::sinkhorn),
                                       .plan = loss.plan,
                                       .backward = backward,
                                       .weight = T(loss.weight * loss.upstream),
                                       .log_gradient = log_gradient}
      .list(steps);
  steps.step(sequence_totals<T, memory>{.terms = terms,
                                        .weight = {T(1), T(0), T(0), T(1)},
                                        .total_weight = {T(1), T(0), T(0), loss.weight},
                                        .out = loss.terms});
  if (!backward) return;
  steps.step(
      logit_gradient<T, Student, Gradient, memory>{.logits = loss.student_logits,
                                                   .tokens = loss.student_samples,
                                                   .maximum = student.maximum,
                                                   .columns = {{.temperature = loss.temperature,
                                                                .partition = student.partition,
                                                                .ids = student.ids,
                                                                .log_gradient = log_gradient}},
                                                   .labels = loss.labels,
                                                   .label_partition = student.unit_partition,
                                                   .cross_entropy_weight = loss.upstream,
                                                   .gradient = loss.gradient});
}
}  // namespace mlot::MLOT_SET
