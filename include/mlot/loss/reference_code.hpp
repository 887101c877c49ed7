#pragma once
#include <algorithm>

#include "mlot/core/pipeline.hpp"
#include "mlot/loss/kept_model.hpp"
#include "mlot/loss/kept_probability_terms.hpp"
#include "mlot/primitive/all_columns.hpp"
#include "mlot/primitive/deviation_temperature.hpp"
#include "mlot/primitive/match_columns.hpp"
#include "mlot/primitive/top_columns.hpp"
namespace mlot::MLOT_SET {
/// How the authors' code finds the student's columns: the argument f of its constructor.
enum class reference_matching {
  own,    ///< f = 1: its own, ranked over the whole batch
  greedy  ///< f = 2: each sequence's, one after another those that differ least from the teacher's
};

/// What the authors' public PyTorch code computes (commit 712cfb4), which is not what the paper
/// says; for those who compare with its numbers.
///
///   z <- z / (std(z) + 1e-4) per row; columns ranked once for the whole batch, 50 of them
///   HAD = mean_b mean_(t < min lengths) sum_l |t_l - s_l|
///   SL' = - mean_b mean_(L positions) sum_l softmax(s)_l log softmax(t)_l     arguments swapped
///   SD' = sum_b 0.001 <P, W>,  W = L1 of softmax(. / 2) of the kept probabilities,
///         P = 10 Sinkhorn iterations of exp(-W / 0.1) with unit marginals, padded rows included
///   total = weight (HAD + 0.1 SL' + 0.1 SD')
///
/// Under matching greedy, column l of sequence b takes the free id v with the least
/// sum over all L positions of |t_l - s_v|, ties to the lower id. The code's loops run to L where
/// they should run to the columns and to the vocabulary, so that only the first L columns and the
/// ids below L are matched; the other columns of the student are zeros (id -1). Where L exceeds the
/// columns or the student's vocabulary the code fails; here the loops end there.
///
/// `terms` has multi_level's places; cross_entropy is 0 there (theirs is the model's own loss).
/// Where theirs is NaN (an empty answer, masked logits) ours is finite: an empty window counts 0, a
/// mask is left out of std. Faults as multi_level. Accuracy: double 1e-9 relative against runs of
/// the authors' code, each part and its gradient alone: tests/loss/reference_code_test.cpp.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct reference_code {
  using memory = Memory;
  static constexpr index_t kept_columns = 50;
  /// The largest that 1 / (std + 1e-4) is, with room for the gradient of std.
  static constexpr double most_stretch = 1e9;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m)
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  /// B sequences of L tokens each: the answer windows moved to position 0, absent tokens (-1)
  /// behind them. mlot/loss/answer_windows.hpp builds them, and the pairs, from labels.
  token_rows<Memory> teacher_windows{}, student_windows{};
  token_pairs<Memory> pairs{};  ///< position by position up to the shorter window
  reference_matching matching = reference_matching::own;
  T teacher_temperature = T(1), student_temperature = T(1);
  T weight = T(1);  ///< the code's distillation_weight
  T difference_weight = T(1), logarithm_weight = T(0.1), transport_weight = T(0.1);
  T upstream = T(1);  ///< factor of the gradient

  vector_view<T, Memory> terms{};                  ///< (5) written
  matrix_view<Gradient, Memory> gradient{};        ///< (student rows, n) written, or no memory
  matrix_view<index_t, Memory> teacher_columns{};  ///< (1, width()) optional
  matrix_view<index_t, Memory> student_columns{};  ///< (student_groups(), width()) optional
  matrix_view<T, Memory> plan{};                   ///< (B L, L) optional

  /// Columns of the tables: the code pads the narrower one by zeros.
  constexpr index_t width() const {
    bool const own = matching == reference_matching::own;
    index_t const widest =
        own ? (std::max)(teacher_logits.cols, student_logits.cols) : teacher_logits.cols;
    return (std::min)(kept_columns, widest);
  }
  /// How many lists of columns the student has: one, or under greedy one a sequence.
  constexpr index_t student_groups() const {
    index_t const sequences = student_windows.sequences();
    return matching == reference_matching::own ? (std::min)(sequences, index_t(1)) : sequences;
  }

  constexpr status check() const {
    requirement all;
    index_t const b = student_windows.sequences();
    all.usable("reference_code.teacher_logits", teacher_logits)
        .usable("reference_code.student_logits", student_logits)
        .also(teacher_windows.check("reference_code.teacher_windows", teacher_logits.rows))
        .also(student_windows.check("reference_code.student_windows", student_logits.rows))
        .count("reference_code.teacher_windows", teacher_windows.sequences(), b, "sequences",
               "as many as student_windows has")
        .count("reference_code.student_windows", student_windows.tokens(),
               b * student_windows.longest, "tokens",
               "windows of one length, absent tokens behind them")
        .count("reference_code.teacher_windows", teacher_windows.tokens(), student_windows.tokens(),
               "tokens", "windows as long as the student's, absent tokens behind them")
        .also(pairs.check("reference_code.pairs", teacher_windows.offset, student_windows.offset))
        .also(check_temperature("reference_code.teacher_temperature", teacher_temperature))
        .also(check_temperature("reference_code.student_temperature", student_temperature))
        .finite("reference_code.weight", weight)
        .finite("reference_code.difference_weight", difference_weight)
        .finite("reference_code.logarithm_weight", logarithm_weight)
        .finite("reference_code.transport_weight", transport_weight)
        .finite("reference_code.upstream", upstream)
        .also(detail::kept_weights<T>{
            .weight = {"reference_code.weight", weight},
            .difference = {"reference_code.difference_weight", difference_weight},
            .logarithm = {"reference_code.logarithm_weight", logarithm_weight},
            .transport = {"reference_code.transport_weight", transport_weight},
            .upstream = {"reference_code.upstream", upstream},
            .temperature = {"reference_code.student_temperature", student_temperature, true}}
                  .check(student_windows.longest, most_stretch, gradient.data != nullptr))
        .vector("reference_code.terms", terms, 5, "5 elements")
        .optional("reference_code.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits")
        .optional("reference_code.teacher_columns", teacher_columns, b > 0 ? 1 : 0, width(),
                  "1 row, width() columns")
        .optional("reference_code.student_columns", student_columns, student_groups(), width(),
                  "student_groups() rows, width() columns");
    if (plan.data != nullptr)
      all.at_least("reference_code.plan", plan, teacher_windows.tokens(), student_windows.longest,
                   "one row a teacher token, as many columns as a window");
    return all.answer();
  }

 private:
  /// Logits are divided by as little as 1e-4 of it.
  static constexpr status check_temperature(char const* argument, T const& x) {
    return requirement()
        .temperature(argument, x)
        .that(T(1) / T(x * T(1e-4)) < infinity<T>, fault::value, argument, as_double(x),
              "one whose 1e-4 has a finite reciprocal")
        .answer();
  }
};

namespace detail {
/// A row's std is beyond the numbers of T.
inline constexpr renaming reference_code_teacher_names[] = {
    {"vocabulary_mass.at.temperature", "reference_code.teacher_logits"}, {}};
inline constexpr renaming reference_code_student_names[] = {
    {"vocabulary_mass.at.temperature", "reference_code.student_logits"}, {}};
/// All sequences as one.
template <class Memory>
token_rows<Memory> as_one_sequence(token_rows<Memory> const& tokens) {
  token_rows<Memory> one = tokens;
  if (index_t const b = tokens.sequences(); b > 0)
    one.offset = {tokens.offset.data, 2, b * tokens.offset.stride};
  one.longest = tokens.tokens();
  return one;
}
}  // namespace detail

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(
    pipeline<Device>& steps,
    reference_code<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  bool const greedy = loss.matching == reference_matching::greedy;
  bool const backward = loss.gradient.data != nullptr;
  index_t const width = loss.width(), longest = loss.student_windows.longest;
  token_rows<memory> const teacher_batch = detail::as_one_sequence(loss.teacher_windows);
  token_rows<memory> const student_batch = detail::as_one_sequence(loss.student_windows);
  auto const spread_of = [&](auto const& logits, token_rows<memory> const& tokens, T const& base) {
    auto const number = [&] { return steps.template vector<T>(tokens.tokens()); };
    using stored = std::remove_const_t<std::remove_pointer_t<decltype(logits.data)>>;
    deviation_temperature<T, stored, memory> const spread{.logits = logits,
                                                          .tokens = tokens,
                                                          .base = base,
                                                          .mean = number(),
                                                          .deviation = number(),
                                                          .temperature = number()};
    steps.step(spread);
    return spread;
  };
  auto const lent = [&](matrix_view<index_t, memory> ids, index_t lists) {
    return ids.data != nullptr ? ids : steps.template matrix<index_t>(lists, width);
  };
  auto const ranked_mass = [&](auto const& model) {
    return steps.template matrix<T>(model.groups.sequences(), model.logits.cols);
  };

  // From logits to tables. Faults in data end with the sums, before anything is written.
  auto const teacher_spread =
      spread_of(loss.teacher_logits, teacher_batch, loss.teacher_temperature);
  auto const student_spread =
      spread_of(loss.student_logits, student_batch, loss.student_temperature);
  detail::kept_model<Device, T, Teacher> teacher{
      .logits = loss.teacher_logits,
      .groups = teacher_batch,
      .temperature = {teacher_spread.temperature},
      .ids = lent(loss.teacher_columns, teacher_batch.sequences())};
  detail::kept_model<Device, T, Student> student{
      .logits = loss.student_logits,
      .groups = greedy ? loss.student_windows : student_batch,
      .temperature = {student_spread.temperature},
      .ids = lent(loss.student_columns, loss.student_groups())};
  auto const teacher_mass = ranked_mass(teacher);
  auto const student_mass = greedy ? matrix_view<T, memory>{} : ranked_mass(student);
  teacher.sum_vocabulary(steps, teacher_mass, "reference_code.teacher_logits");
  steps.rename(detail::reference_code_teacher_names);
  student.sum_vocabulary(steps, student_mass, "reference_code.student_logits");
  steps.rename(detail::reference_code_student_names);
  steps.step(top_columns<T, memory>{.mass = teacher_mass, .ids = teacher.ids});
  teacher.gather(steps);
  if (!greedy) steps.step(top_columns<T, memory>{.mass = student_mass, .ids = student.ids});
  if (greedy) {
    index_t const tried = (std::min)(longest, width);
    steps.step(match_columns<T, Student, memory>{
        .teacher = teacher.table.column_range(0, tried),
        .teacher_offset = loss.teacher_windows.offset,
        .logits = loss.student_logits.column_range(0, (std::min)(longest, student.logits.cols)),
        .tokens = loss.student_windows,
        .maximum = student.maximum,
        .partition = student.partition,
        .temperature = student.temperature,
        .ids = student.ids.column_range(0, tried)});
    steps.step(all_columns<memory>{.ids = student.ids.column_range(tried, width - tried)});
  }
  student.gather(steps);

  auto const table_gradient =
      detail::kept_probability_terms<Device, T>{
          .teacher = teacher.table,
          .student = student.table,
          .teacher_offset = loss.teacher_windows.offset,
          .student_offset = loss.student_windows.offset,
          .positions = longest,
          .pairs = loss.pairs,
          .difference_weight = T(loss.weight * loss.difference_weight),
          .logarithm_weight = T(loss.weight * loss.logarithm_weight),
          .transport_weight = T(loss.weight * loss.transport_weight),
          .plan = loss.plan,
          .out = loss.terms,
          .backward = backward,
          .upstream = loss.upstream}
          .list(steps);
  if (!backward) return;
  student.list_gradient(steps, table_gradient, loss.gradient);
  steps.step(deviation_temperature_gradient<T, Student, Gradient, memory>{
      .of = student_spread, .gradient = loss.gradient});
}
}  // namespace mlot::MLOT_SET
