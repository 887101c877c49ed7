#include "mlot_cli/library_call.hpp"

namespace mlot_cli {
namespace {
/// Ids are compared number by number: models of two widths are no such pair, unless by mistake.
void require_one_vocabulary(call const& by) {
  if (by.teacher.vocabulary != by.student.vocabulary)
    throw user_error("--loss: " + std::string(entry_of(by.s.loss).word) +
                     " compares the same ids of both models: " + by.teacher.option + " has " +
                     std::to_string(by.teacher.vocabulary) + ", " + by.student.option + " " +
                     std::to_string(by.student.vocabulary) +
                     "; must be as many (cut off padding, or mask the ids that one lacks by -inf)");
}

/// Both models' rows that count: the same positions of the same text. A sequence without any on
/// one side counts nothing.
struct matching_rows {
  mlot::owned_token_rows teacher, student;

  explicit matching_rows(call const& by)
      : teacher(counting_rows(by.teacher, by)), student(counting_rows(by.student, by)) {
    mlot::token_rows<> const &t = teacher, &s = student;
    for (index_t b = 0; b < s.sequences(); ++b)
      if (t.count(b) != s.count(b) && t.count(b) > 0 && s.count(b) > 0)
        throw user_error("--loss: " + std::string(entry_of(by.s.loss).word) +
                         " compares the same positions of both models: " + by.teacher.option +
                         " has " + std::to_string(t.count(b)) + " rows that count" +
                         (by.student.batched ? " in sequence " + std::to_string(b) : "") + ", " +
                         by.student.option + " " + std::to_string(s.count(b)) +
                         "; must be as many (--labels and --teacher-labels say which count)");
  }
};

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_sinkd(call const& by, input_pair<S> const& input, wanted want) {
  auto const& [teacher, student] = input;
  matching_rows const both(by);
  mlot::token_rows<> const &rows = both.teacher, &columns = both.student;
  evaluation<T> out;
  std::vector<T> terms(mlot::multi_level_term::count), plan;
  mlot::sinkd<T, S, S, T> loss{.teacher_logits = teacher.view(),
                               .teacher_samples = rows,
                               .student_logits = student.view(),
                               .student_samples = columns,
                               .labels = labels_of(student)};
  loss.terms = {terms.data(), index_t(terms.size())};
  set(loss.temperature, by.s.temperature);
  set(loss.epsilon, by.s.epsilon);
  set(loss.iterations, by.s.iterations);
  set(loss.weight, by.s.weight);
  if (by.s.plan_constant) loss.derivative = mlot::sinkhorn_derivative::plan_constant;
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  if (want.plan) loss.plan = matrix(plan, rows.tokens(), columns.longest);
  run(loss, by);
  namespace term = mlot::multi_level_term;
  out.terms = {{"cross_entropy", terms[term::cross_entropy]},
               {"sinkhorn", terms[term::sinkhorn]},
               {"total", terms[term::total]}};
  list_rows(columns, out.rows);
  if (want.plan) lay_out_plan<T>(out, loss.plan, rows, columns, teacher.batched || student.batched);
  return out;
}

template <mlot::real T, class Kind, mlot::storage S>
evaluation<T> evaluate_divergence(Kind kind, call const& by, input_pair<S> const& input,
                                  wanted want) {
  auto const& [teacher, student] = input;
  matching_rows const both(by);
  mlot::token_rows<> const &teacher_tokens = both.teacher, &student_tokens = both.student;
  evaluation<T> out;
  std::vector<T> terms(mlot::divergence_distillation_term::count);
  mlot::divergence_distillation<T, Kind, mlot::dense_teacher<T, S>, S, T> loss{
      .teacher = {.logits = teacher.view(), .tokens = teacher_tokens},
      .student_logits = student.view(),
      .student_tokens = student_tokens,
      .labels = labels_of(student),
      .kind = kind,
      .terms = {terms.data(), index_t(terms.size())}};
  set(loss.options.temperature, by.s.temperature);
  set(loss.teacher.temperature, by.s.teacher_temperature);
  set(loss.options.ratio, by.s.ratio);
  loss.options.temperature_squared = by.s.temperature_squared;
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  run(loss, by);
  out.terms = named({"cross_entropy", "divergence", "total"}, terms);
  list_rows(student_tokens, out.rows);
  return out;
}
}  // namespace

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_one_vocabulary(settings const& s, input_pair<S> const& input, wanted want) {
  call const by{s, input.teacher, input.student};
  require_one_vocabulary(by);
  auto const of_kind = [&](auto kind) { return evaluate_divergence<T>(kind, by, input, want); };
  auto const skewed = [&](auto kind) {
    set(kind.skew, s.lambda);
    return of_kind(kind);
  };
  switch (s.loss) {
    case loss_name::forward_kl:
      return of_kind(mlot::forward_kl());
    case loss_name::reverse_kl:
      return of_kind(mlot::reverse_kl());
    case loss_name::jensen_shannon: {
      mlot::jensen_shannon<T> kind;
      set(kind.beta, s.beta);
      return of_kind(kind);
    }
    case loss_name::skewed_kl:
      return skewed(mlot::skewed_kl<T>());
    case loss_name::skewed_reverse_kl:
      return skewed(mlot::skewed_reverse_kl<T>());
    case loss_name::adaptive_kl:
      return of_kind(mlot::adaptive_kl<T>());
    case loss_name::total_variation:
      return of_kind(mlot::total_variation());
    default:
      return evaluate_sinkd<T>(by, input, want);
  }
}
template evaluation<float> evaluate_one_vocabulary(settings const&, input_pair<mlot::half> const&,
                                                   wanted);
template evaluation<float> evaluate_one_vocabulary(settings const&, input_pair<float> const&,
                                                   wanted);
template evaluation<double> evaluate_one_vocabulary(settings const&, input_pair<double> const&,
                                                    wanted);
}  // namespace mlot_cli
