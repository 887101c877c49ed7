#pragma once
#include <algorithm>

#include "mlot/core/pipeline.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/loss/ranked_model.hpp"
#include "mlot/loss/transport_term.hpp"
#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/match_columns.hpp"
#include "mlot/primitive/segment_sums.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/token_problems.hpp"
namespace mlot::MLOT_SET {
/// MultiLevelOT: cross-entropy and three optimal-transport terms between a teacher and a student
/// with different tokenizers, for a ragged batch in one call, with the analytic gradient.
///
///   L = (1 / divisor) { sum_b CE(b) + alpha (HAD(b) + beta SL(b) + gamma SD(b)) }
///
/// options.holistic weighs HAD as beta and gamma weigh the others; in the paper it is 1.
/// Logits are final: soft-capping and scaling are the caller's. -inf masks a vocabulary id and is
/// the same as not having it. Empty sequences, sequences without labels, k beyond a vocabulary and
/// an empty batch are ordinary; their terms are 0. Columns beyond a vocabulary are -1; the tables
/// are as wide as min(k, max(m, n)), under matching greedy and exact as min(k, m).
/// The matchings compare the aligned tokens (match_columns); what they minimise is HAD, so that
/// the sequence's absolute_difference is the objective of every matching, rank's too.
/// A teacher that rank_teacher has ranked before comes as `ranked_teacher` in the place of its
/// logits; the loss then has the same bits, and nothing of the teacher is as wide as a vocabulary.
/// NaN or +inf in a token's row answers fault::data with row and column. After any fault the
/// outputs are untouched. Reads the teacher once, the student twice and writes the gradient once;
/// allocates nothing.
/// Accuracy: double 1e-10 relative, float 1e-5 of the norm, terms, plan and gradient, against
/// autograd in float64 and long double: tests/loss/golden_test.cpp, multi_level_test.cpp. Where
/// the gradients of single terms cancel, their norms count, not that of the sum.
/// Source: Cui et al., Multi-Level Optimal Transport for Universal Cross-Tokenizer Knowledge
/// Distillation, AAAI 2025, arXiv 2412.14528, eq. 10-21.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct multi_level {
  using memory = Memory;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m) any row stride
  token_rows<Memory> teacher_tokens{};  ///< B sequences, rows of the logits or of ranked_teacher
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  token_rows<Memory> student_tokens{};                  ///< B sequences
  row_labels<Memory> labels{};  ///< (student rows), or empty: no cross-entropy
  token_pairs<Memory> pairs{};  ///< alignment of HAD and SL; by position unless given
  multi_level_options<T> options{};
  T upstream = T(1);  ///< factor of the gradient: dObjective / dL, loss scaling

  vector_view<T, Memory> terms{};            ///< (5) written, see multi_level_term
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) dL/dz; no memory: forward only
  /// (B, width()) the columns compared. Read under matching given, otherwise written where memory
  /// is given. The transport_ pair only matters under transport_ranking::own.
  matrix_view<index_t, Memory> teacher_columns{}, student_columns{};
  matrix_view<index_t, Memory> teacher_transport_columns{}, student_transport_columns{};
  matrix_view<T, Memory> plan{};            ///< (teacher tokens, longest student sequence) optional
  matrix_view<T, Memory> sequence_terms{};  ///< (B, 4) before division, optional
  /// In the place of teacher_logits: columns ranked before, at these temperatures. Neither
  /// teacher_columns nor teacher_transport_columns is then given memory; under matching given only
  /// the student's columns are read.
  mlot::ranked_teacher<T, Teacher, Memory> ranked_teacher{};

  constexpr index_t sequences() const { return student_tokens.sequences(); }
  /// Whether student columns are matched with the teacher's by their probabilities.
  constexpr bool matches() const {
    return options.matching == column_matching::greedy ||
           options.matching == column_matching::exact;
  }
  /// m.
  constexpr index_t teacher_vocabulary() const {
    return ranked_teacher.given() ? ranked_teacher.vocabulary : teacher_logits.cols;
  }
  /// Columns of the tables.
  constexpr index_t width() const {
    if (matches()) return (std::min)(options.k, teacher_vocabulary());
    return (std::min)(options.k, (std::max)(teacher_vocabulary(), student_logits.cols));
  }
  constexpr T divisor() const {
    if (options.reduce == reduction::divisor) return options.divisor;
    if (options.reduce == reduction::sum || student_tokens.tokens() == 0) return T(1);
    return T(double(student_tokens.tokens()));
  }
  constexpr T teacher_temperature() const {
    return options.teacher_temperature == T(0) ? options.temperature : options.teacher_temperature;
  }
  constexpr bool has_labels() const { return !labels.label.empty(); }

  constexpr status check() const;

 private:
  /// Of the factors that the terms and their gradients have in list_steps().
  constexpr status check_weights() const;
};

template <real T, storage Teacher, storage Student, storage Gradient, class Memory>
constexpr status multi_level<T, Teacher, Student, Gradient, Memory>::check_weights() const {
  auto const& o = options;
  T const scale = T(T(T(1) / divisor()) * upstream), distillation = T(scale * o.alpha);
  double const meetings = pairs.by_position() ? 1 : double(pairs.student.size);  // of one token
  index_t const longest = o.level == transport_level::token
                              ? width()
                              : (std::max)(teacher_tokens.longest, student_tokens.longest);
  weight_factor<T> const alpha{"multi_level.options.alpha", o.alpha};
  weight_factor<T> const holistic{"multi_level.options.holistic", o.holistic};
  weight_factor<T> const beta{"multi_level.options.beta", o.beta};
  weight_factor<T> const gamma{"multi_level.options.gamma", o.gamma};
  weight_factor<T> const loss_scale{"multi_level.upstream", upstream};
  weight_factor<T> const divided{"multi_level.options.divisor", divisor(), true};
  weight_factor<T> const tau{"multi_level.options.temperature", o.temperature, true};
  weight_factor<T> const transport_tau{"multi_level.options.transport_temperature",
                                       o.transport_temperature, true};
  T values(0), at_most(0);
  requirement all;
  all.product({alpha, holistic}, T(o.alpha * o.holistic), 1, values)
      .product({alpha, beta}, T(o.alpha * o.beta), 1, values)
      .product({alpha, gamma}, T(o.alpha * o.gamma), 1, values);
  if (gradient.data == nullptr) return all.answer();
  return all.product({loss_scale, divided}, scale, 1, at_most)
      .product({alpha, holistic, loss_scale, divided, tau},
               T(T(distillation * o.holistic) / o.temperature), 2 * meetings, at_most)
      .product({alpha, beta, loss_scale, divided, tau}, T(T(distillation * o.beta) / o.temperature),
               2 * meetings, at_most)
      .product(
          {alpha, gamma, loss_scale, divided, transport_tau},
          T(T(distillation * o.gamma) / o.transport_temperature),
          detail::most_transport_gradient(longest, o.derivative == sinkhorn_derivative::unrolled,
                                          o.iterations, as_double(o.epsilon)),
          at_most)
      .answer();
}

template <real T, storage Teacher, storage Student, storage Gradient, class Memory>
constexpr status multi_level<T, Teacher, Student, Gradient, Memory>::check() const {
  index_t const b = sequences();
  requirement all;
  all.usable("multi_level.teacher_logits", teacher_logits)
      .usable("multi_level.student_logits", student_logits)
      .also(teacher_tokens.check("multi_level.teacher_tokens", ranked_teacher.given()
                                                                   ? ranked_teacher.normaliser.rows
                                                                   : teacher_logits.rows))
      .also(student_tokens.check("multi_level.student_tokens", student_logits.rows))
      .count("multi_level.teacher_tokens", teacher_tokens.sequences(), b, "sequences",
             "as many as student_tokens has")
      .also(labels.check("multi_level.labels", student_tokens, student_logits.rows,
                         student_logits.cols))
      .also(pairs.check("multi_level.pairs", teacher_tokens.offset, student_tokens.offset))
      .at_least("multi_level.options.k", options.k, 1, "at least 1")
      .temperature("multi_level.options.temperature", options.temperature)
      .temperature("multi_level.options.teacher_temperature", teacher_temperature())
      .temperature("multi_level.options.transport_temperature", options.transport_temperature)
      .temperature("multi_level.options.epsilon", options.epsilon)
      .at_least("multi_level.options.iterations", options.iterations, 1, "at least 1")
      .that(options.domain != sinkhorn_domain::scaling ||
                as_double(T(T(2.001) / options.epsilon)) <=
                    sinkhorn<wide_t<T>, Memory>::safe_exponent(),
            fault::value, "multi_level.options.domain", as_double(T(T(2) / options.epsilon)),
            "not scaling where 2 / epsilon exceeds sinkhorn::safe_exponent()")
      .at_least("multi_level.options.cost_memory", options.cost_memory, 0, "at least 0")
      .finite("multi_level.options.alpha", options.alpha)
      .finite("multi_level.options.holistic", options.holistic)
      .finite("multi_level.options.beta", options.beta)
      .finite("multi_level.options.gamma", options.gamma)
      .temperature("multi_level.options.divisor", options.divisor)
      .finite("multi_level.upstream", upstream)
      .also(check_weights())
      .vector("multi_level.terms", terms, multi_level_term::count, "5 elements")
      .optional("multi_level.gradient", gradient, student_logits.rows, student_logits.cols,
                "the shape of student_logits")
      .optional("multi_level.sequence_terms", sequence_terms, b, 4,
                "one row a sequence, 4 columns");
  if (options.level == transport_level::token)
    all.count(plan.data == nullptr, "multi_level.plan", plan.rows, -1, "rows",
              "no memory with transport_level::token")
        .count(pairs.by_position(), "multi_level.pairs", pairs.student.size, -1, "pairs",
               "none given with transport_level::token");
  else if (plan.data != nullptr)
    all.at_least("multi_level.plan", plan, teacher_tokens.tokens(), student_tokens.longest,
                 "one row a teacher token, student_tokens.longest columns");
  auto const columns = [&](char const* argument, matrix_view<index_t, Memory> const& ids,
                           bool needed) {
    if (needed) all.pointer(argument, ids.data != nullptr || b == 0);
    all.optional(argument, ids, b, width(), "one row a sequence, width() columns");
  };
  bool const given = options.matching == column_matching::given;
  bool const own = options.ranking == transport_ranking::own;
  if (ranked_teacher.given()) {
    auto const absent = [&](char const* argument, auto const& view) {
      all.count(view.data == nullptr, argument, view.rows, -1, "rows",
                "no memory beside a ranked_teacher");
    };
    absent("multi_level.teacher_logits", teacher_logits);
    absent("multi_level.teacher_columns", teacher_columns);
    absent("multi_level.teacher_transport_columns", teacher_transport_columns);
    all.that(teacher_temperature() == ranked_teacher.temperature, fault::value,
             "multi_level.options.teacher_temperature", as_double(teacher_temperature()),
             "the temperature of ranked_teacher")
        .that(options.transport_temperature == ranked_teacher.transport_temperature, fault::value,
              "multi_level.options.transport_temperature", as_double(options.transport_temperature),
              "the transport_temperature of ranked_teacher");
    if (all.answer().ok()) all.also(ranked_teacher.check(teacher_tokens, options.k, own));
  } else {
    columns("multi_level.teacher_columns", teacher_columns, given);
    columns("multi_level.teacher_transport_columns", teacher_transport_columns, given && own);
  }
  columns("multi_level.student_columns", student_columns, given);
  columns("multi_level.student_transport_columns", student_transport_columns, given && own);
  return all.answer();
}

namespace detail {
inline constexpr renaming multi_level_names[] = {{"sinkhorn.domain", "multi_level.options.domain"},
                                                 {}};
}  // namespace detail

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(pipeline<Device>& steps,
                multi_level<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  auto const& o = loss.options;
  index_t const sequences = loss.sequences(), width = loss.width();
  bool const ranks = o.matching != column_matching::given, matches = loss.matches();
  bool const ranks_teacher = ranks && !loss.ranked_teacher.given();
  bool const own = o.ranking == transport_ranking::own, backward = loss.gradient.data != nullptr;
  auto const lent = [&](matrix_view<index_t, memory> ids) {
    return ids.data != nullptr ? ids : steps.template matrix<index_t>(sequences, width);
  };

  // From logits to tables. Faults in data end in the first two steps, before anything is written.
  detail::ranked_model<Device, T, Teacher> teacher{.logits = loss.teacher_logits,
                                                   .tokens = loss.teacher_tokens,
                                                   .temperature = loss.teacher_temperature(),
                                                   .transport_temperature = o.transport_temperature,
                                                   .ids = lent(loss.teacher_columns),
                                                   .transport_ids = {}};
  detail::ranked_model<Device, T, Student> student{.logits = loss.student_logits,
                                                   .tokens = loss.student_tokens,
                                                   .temperature = o.temperature,
                                                   .transport_temperature = o.transport_temperature,
                                                   .ids = lent(loss.student_columns),
                                                   .transport_ids = {}};
  teacher.transport_ids = own ? lent(loss.teacher_transport_columns) : teacher.ids;
  student.transport_ids = own ? lent(loss.student_transport_columns) : student.ids;
  // Both models in turn use the same mass vectors, unless the teacher's ranking is an output: that
  // may only be written when the student's logits have proved usable.
  bool const outputs = ranks_teacher && (loss.teacher_columns.data != nullptr ||
                                         loss.teacher_transport_columns.data != nullptr);
  index_t const widest = (std::max)(loss.teacher_logits.cols, loss.student_logits.cols);
  auto const new_mass = [&](bool wanted) {
    return wanted ? steps.template matrix<T>(sequences, widest) : matrix_view<T, memory>{};
  };
  teacher.mass = new_mass(ranks), teacher.transport_mass = new_mass(ranks && own);
  student.mass = outputs ? new_mass(ranks) : teacher.mass;
  student.transport_mass = outputs ? new_mass(ranks && own) : teacher.transport_mass;
  if (loss.ranked_teacher.given())
    teacher.take(steps, loss.ranked_teacher);
  else
    teacher.sum_vocabulary(steps, "multi_level.teacher_logits", ranks, ranks && own, false);
  if (ranks_teacher && !outputs) teacher.rank(steps, own);
  student.sum_vocabulary(steps, "multi_level.student_logits", ranks, ranks && own,
                         loss.has_labels());
  if (outputs) teacher.rank(steps, own);
  if (ranks && !matches) student.rank(steps, own);
  teacher.gather(steps, "multi_level.teacher_columns", own, false);
  auto const match = [&](matrix_view<T, memory> table, T const& tau,
                         vector_view<T, memory> partition, matrix_view<T, memory> mass,
                         matrix_view<index_t, memory> ids) {
    steps.step(match_columns<T, Student, memory>{.teacher = table,
                                                 .teacher_offset = loss.teacher_tokens.offset,
                                                 .logits = loss.student_logits,
                                                 .tokens = loss.student_tokens,
                                                 .maximum = student.maximum,
                                                 .partition = partition,
                                                 .temperature = tau,
                                                 .pairs = loss.pairs,
                                                 .mass = mass,
                                                 .rule = o.matching == column_matching::greedy
                                                             ? matching_rule::greedy
                                                             : matching_rule::exact,
                                                 .ids = ids});
  };
  if (matches) match(teacher.table, o.temperature, student.partition, student.mass, student.ids);
  if (matches && own)
    match(teacher.template transport_table<T>(steps), o.transport_temperature,
          student.transport_partition, student.transport_mass, student.transport_ids);
  student.gather(steps, "multi_level.student_columns", own, true);

  // The terms, with the gradients of the tables.
  T const share = T(1) / loss.divisor();
  T const scale = T(share * loss.upstream), distillation = T(scale * o.alpha);
  auto const terms = loss.sequence_terms.data != nullptr ? loss.sequence_terms
                                                         : steps.template matrix<T>(sequences, 4);
  steps.step(cross_entropy<T, Student, memory>{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .labels = loss.labels,
      .maximum = student.maximum,
      .partition = loss.has_labels() ? student.unit_partition : student.partition,
      .out = terms.column(multi_level_term::cross_entropy)});
  aligned_terms<T, memory> const aligned{
      .teacher = teacher.table,
      .student = student.table,
      .student_log = student.log_table,
      .teacher_offset = loss.teacher_tokens.offset,
      .student_offset = loss.student_tokens.offset,
      .pairs = loss.pairs,
      .holistic_difference = terms.column(multi_level_term::absolute_difference),
      .sequential_logarithm = terms.column(multi_level_term::logarithmic)};
  steps.step(aligned);
  auto const student_table = [&] {
    return backward ? steps.template matrix<T>(loss.student_tokens.tokens(), width)
                    : matrix_view<T, memory>{};
  };
  auto const transport_gradient = student_table();
  auto const transport = [&]<real U>(std::type_identity<U>) {
    auto const distance = terms.column(multi_level_term::sinkhorn);
    detail::transport_term<U, Device, T> term{.options = o,
                                              .batch = {.row_offset = loss.teacher_tokens.offset,
                                                        .column_offset = loss.student_tokens.offset,
                                                        .rows = loss.teacher_tokens.tokens(),
                                                        .columns = loss.student_tokens.tokens(),
                                                        .longest_row = loss.student_tokens.longest},
                                              .teacher = teacher.template transport_table<U>(steps),
                                              .student = student.template transport_table<U>(steps),
                                              .distance = distance,
                                              .plan = loss.plan,
                                              .backward = backward,
                                              .weight = T(distillation * o.gamma),
                                              .log_gradient = transport_gradient};
    if (o.level == transport_level::sequence) return term.list(steps);
    index_t const tokens = loss.student_tokens.tokens();
    token_problems<U, memory> const each{.teacher = term.teacher,
                                         .teacher_offset = loss.teacher_tokens.offset,
                                         .student_offset = loss.student_tokens.offset,
                                         .aligned = steps.template matrix<U>(tokens, width),
                                         .marginal = steps.template vector<U>(tokens * width),
                                         .offset = steps.template vector<index_t>(tokens + 1)};
    steps.step(each);
    term.batch = each.batch();
    term.teacher = each.as_column(each.aligned);
    term.student = each.as_column(term.student);
    term.marginal = vector_view<U const, memory>(each.marginal);
    term.distance = steps.template vector<T>(tokens);
    term.log_gradient = each.as_column(transport_gradient);
    term.list(steps);
    steps.step(segment_sums<T, memory>{
        .x = term.distance, .offset = loss.student_tokens.offset, .out = distance});
  };
  // Costs of probability rows reach 2. Where exp(-2 / epsilon) leaves the range of scalings in T,
  // float would also lose the plan to the rounding of cost / epsilon: the wider type does neither.
  if (as_double(T(T(2) / o.epsilon)) > sinkhorn<T, memory>::safe_exponent())
    transport(std::type_identity<wide_t<T>>{});
  else
    transport(std::type_identity<T>{});
  steps.rename(detail::multi_level_names);
  steps.step(sequence_totals<T, memory>{
      .terms = terms,
      .weight = {share, share, share, share},
      .total_weight = {T(1), T(o.alpha * o.holistic), T(o.alpha * o.beta), T(o.alpha * o.gamma)},
      .out = loss.terms});
  if (!backward) return;

  aligned_terms_gradient<T, memory> const aligned_back{
      .of = aligned,
      .difference_weight = T(distillation * o.holistic),
      .logarithm_weight = T(distillation * o.beta),
      .table_gradient = student_table(),
      .log_gradient = student_table()};
  steps.step(aligned_back);
  steps.step(logit_gradient<T, Student, Gradient, memory>{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .maximum = student.maximum,
      .columns = {{.temperature = o.temperature,
                   .partition = student.partition,
                   .ids = student.ids,
                   .probability = student.table,
                   .table_gradient = aligned_back.table_gradient,
                   .log_gradient = aligned_back.log_gradient},
                  {.temperature = o.transport_temperature,
                   .partition = student.transport_partition,
                   .ids = student.transport_ids,
                   .log_gradient = transport_gradient}},
      .labels = loss.labels,
      .label_partition = student.unit_partition,
      .cross_entropy_weight = scale,
      .gradient = loss.gradient});
}
}  // namespace mlot::MLOT_SET
