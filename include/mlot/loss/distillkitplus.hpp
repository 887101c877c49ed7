#pragma once
#include <algorithm>

#include "mlot/core/pipeline.hpp"
#include "mlot/loss/kept_model.hpp"
#include "mlot/loss/kept_probability_terms.hpp"
#include "mlot/primitive/all_columns.hpp"
#include "mlot/primitive/top_columns.hpp"
namespace mlot::MLOT_SET {
/// What the loss `multi-ot` of DistillKitPlus computes (github.com/agokrani/distillKitPlus, commit
/// 670fb49), for those who compare with its numbers.
///
///   t, s: at every position the model's own k largest probabilities, descending
///   HAD = mean_b mean_(its pairs) sum_l |t_l - s_l|
///   SL' = - mean_b mean_(L positions) sum_l softmax(s)_l log softmax(t)_l     arguments swapped
///   SD' = sum_b 0.001 <P, W>,  W = L1 of softmax(. / 2) of the kept probabilities,
///         P = 10 Sinkhorn iterations of exp(-W / 0.1) with unit marginals
///   total = weight (HAD + logarithm_weight SL' + transport_weight SD')
///
/// The paper ranks columns over a sequence; here they are sorted at every position (as ULD does),
/// after which a ranking over the batch changes nothing. Otherwise it has what reference_code has,
/// but no division by std, k and a temperature of its own, and spans: L is the largest number of
/// pairs of a sequence, a span begins at the first label that counts, and behind a shorter answer
/// it runs on into positions that do not count, which SL' and SD' take in.
///
/// Where it differs: their Sinkhorn is always in float32, ours in T; where a span passes the last
/// position theirs repeats that one, ours has absent tokens (zeros, which SL' and SD' take in,
/// too); k beyond a vocabulary fails there, here the missing columns are zeros (id -1).
///
/// `terms` has multi_level's places; cross_entropy is 0 there (theirs is the model's own loss, and
/// `weight` their alpha). Ties go to the lower id. Faults as multi_level. Accuracy, each part and
/// its gradient alone against long double: double 1e-10, float 1e-5 relative; gradients beside that
/// 1e-15 and 1e-6 of summands that cancel in them (probabilities near 0 or 1, k = 1):
/// tests/loss/distillkitplus_test.cpp.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct distillkitplus {
  using memory = Memory;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m)
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  /// B sequences of L tokens each. rows_from_spans of mlot/loss/answer_windows.hpp builds them from
  /// labels, and pairs_from_windows the pairs.
  token_rows<Memory> teacher_spans{}, student_spans{};
  token_pairs<Memory> pairs{};  ///< position by position up to the shorter answer
  index_t k = 100;              ///< at least 1
  T temperature = T(2);
  T weight = T(1);
  T difference_weight = T(1);  ///< theirs is 1
  T logarithm_weight = T(0.1), transport_weight = T(0.1);
  T upstream = T(1);  ///< factor of the gradient

  vector_view<T, Memory> terms{};            ///< (5) written
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) written, or no memory
  /// (B L, width()) each token's columns, optional.
  matrix_view<index_t, Memory> teacher_columns{}, student_columns{};
  matrix_view<T, Memory> plan{};  ///< (B L, L) optional

  /// Columns of the tables.
  constexpr index_t width() const {
    return (std::min)(k, (std::max)(teacher_logits.cols, student_logits.cols));
  }

  constexpr status check() const {
    requirement all;
    index_t const b = student_spans.sequences();
    all.usable("distillkitplus.teacher_logits", teacher_logits)
        .usable("distillkitplus.student_logits", student_logits)
        .also(teacher_spans.check("distillkitplus.teacher_spans", teacher_logits.rows))
        .also(student_spans.check("distillkitplus.student_spans", student_logits.rows))
        .count("distillkitplus.teacher_spans", teacher_spans.sequences(), b, "sequences",
               "as many as student_spans has")
        .count("distillkitplus.student_spans", student_spans.tokens(), b * student_spans.longest,
               "tokens", "spans of one length")
        .count("distillkitplus.teacher_spans", teacher_spans.tokens(), student_spans.tokens(),
               "tokens", "spans as long as the student's")
        .also(pairs.check("distillkitplus.pairs", teacher_spans.offset, student_spans.offset))
        .at_least("distillkitplus.k", k, 1, "at least 1")
        .temperature("distillkitplus.temperature", temperature)
        .finite("distillkitplus.weight", weight)
        .finite("distillkitplus.difference_weight", difference_weight)
        .finite("distillkitplus.logarithm_weight", logarithm_weight)
        .finite("distillkitplus.transport_weight", transport_weight)
        .finite("distillkitplus.upstream", upstream)
        .also(detail::kept_weights<T>{
            .weight = {"distillkitplus.weight", weight},
            .difference = {"distillkitplus.difference_weight", difference_weight},
            .logarithm = {"distillkitplus.logarithm_weight", logarithm_weight},
            .transport = {"distillkitplus.transport_weight", transport_weight},
            .upstream = {"distillkitplus.upstream", upstream},
            .temperature = {"distillkitplus.temperature", temperature, true}}
                  .check(student_spans.longest, 1, gradient.data != nullptr))
        .vector("distillkitplus.terms", terms, 5, "5 elements")
        .optional("distillkitplus.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits")
        .optional("distillkitplus.teacher_columns", teacher_columns, teacher_spans.tokens(),
                  width(), "one row a token, width() columns")
        .optional("distillkitplus.student_columns", student_columns, student_spans.tokens(),
                  width(), "one row a token, width() columns");
    if (plan.data != nullptr)
      all.at_least("distillkitplus.plan", plan, teacher_spans.tokens(), student_spans.longest,
                   "one row a teacher token, as many columns as a span");
    return all.answer();
  }
};

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(
    pipeline<Device>& steps,
    distillkitplus<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  bool const backward = loss.gradient.data != nullptr;
  index_t const n = loss.student_spans.tokens(), width = loss.width();
  // Every token is a sequence of its own: they begin at 0, 1, ..., n.
  auto const offset = steps.template matrix<index_t>(1, n + 1);
  steps.step(all_columns<memory>{.vocabulary = n + 1, .ids = offset});
  auto const each_token = [&](token_rows<memory> const& spans) {
    return token_rows<memory>{offset.row(0), spans.row, (std::min)(n, index_t(1))};
  };
  auto const lent = [&](matrix_view<index_t, memory> ids) {
    return ids.data != nullptr ? ids : steps.template matrix<index_t>(n, width);
  };
  detail::kept_model<Device, T, Teacher> teacher{.logits = loss.teacher_logits,
                                                 .groups = each_token(loss.teacher_spans),
                                                 .temperature = loss.temperature,
                                                 .ids = lent(loss.teacher_columns)};
  detail::kept_model<Device, T, Student> student{.logits = loss.student_logits,
                                                 .groups = each_token(loss.student_spans),
                                                 .temperature = loss.temperature,
                                                 .ids = lent(loss.student_columns)};
  // Faults in data end with the sums, before anything is written.
  teacher.sum_vocabulary(steps, {}, "distillkitplus.teacher_logits");
  student.sum_vocabulary(steps, {}, "distillkitplus.student_logits");
  auto const keep_largest = [&]<storage S>(detail::kept_model<Device, T, S>& model) {
    if (n > 0)  // the order of logits is that of probabilities
      steps.step(
          top_columns<S, memory>{.mass = model.logits, .row = model.groups.row, .ids = model.ids});
    model.gather(steps);
  };
  keep_largest(teacher);
  keep_largest(student);

  auto const table_gradient =
      detail::kept_probability_terms<Device, T>{
          .teacher = teacher.table,
          .student = student.table,
          .teacher_offset = loss.teacher_spans.offset,
          .student_offset = loss.student_spans.offset,
          .positions = loss.student_spans.longest,
          .pairs = loss.pairs,
          .difference_weight = T(loss.weight * loss.difference_weight),
          .logarithm_weight = T(loss.weight * loss.logarithm_weight),
          .transport_weight = T(loss.weight * loss.transport_weight),
          .plan = loss.plan,
          .out = loss.terms,
          .backward = backward,
          .upstream = loss.upstream}
          .list(steps);
  if (backward) student.list_gradient(steps, table_gradient, loss.gradient);
}
}  // namespace mlot::MLOT_SET
