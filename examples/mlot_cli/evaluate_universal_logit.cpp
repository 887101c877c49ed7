#include "mlot_cli/library_call.hpp"

namespace mlot_cli {
template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_universal_logit(settings const& s, input_pair<S> const& input, wanted want) {
  auto const& [teacher, student] = input;
  call const by{s, teacher, student};
  mlot::owned_token_rows const teacher_tokens = counting_rows(teacher, by);
  mlot::owned_token_rows const student_tokens = counting_rows(student, by);
  evaluation<T> out;
  std::vector<T> terms(mlot::universal_logit_term::count);
  mlot::universal_logit<T, S, S, T> loss{.teacher_logits = teacher.view(),
                                         .teacher_tokens = teacher_tokens,
                                         .student_logits = student.view(),
                                         .student_tokens = student_tokens,
                                         .labels = labels_of(student),
                                         .terms = {terms.data(), index_t(terms.size())}};
  set(loss.options.k, s.k);
  set(loss.options.temperature, s.temperature);
  set(loss.options.teacher_temperature, s.teacher_temperature);
  set(loss.options.weight, s.weight);
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  run(loss, by);
  out.terms = named({"cross_entropy", "ranked_difference", "total"}, terms);
  list_rows(student_tokens, out.rows);
  return out;
}
template evaluation<float> evaluate_universal_logit(settings const&, input_pair<mlot::half> const&,
                                                    wanted);
template evaluation<float> evaluate_universal_logit(settings const&, input_pair<float> const&,
                                                    wanted);
template evaluation<double> evaluate_universal_logit(settings const&, input_pair<double> const&,
                                                     wanted);
}  // namespace mlot_cli
