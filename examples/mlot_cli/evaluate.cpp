#include <cmath>

#include "mlot_cli/library_call.hpp"
#include "mlot_cli/number.hpp"

namespace mlot_cli {
namespace {
template <class T>
mlot::multi_level_options<T> multi_level_options_of(settings const& s) {
  mlot::multi_level_options<T> o;
  set(o.k, s.k);
  set(o.temperature, s.temperature);
  set(o.teacher_temperature, s.teacher_temperature);
  set(o.transport_temperature, s.transport_temperature);
  set(o.epsilon, s.epsilon);
  set(o.iterations, s.iterations);
  set(o.alpha, s.alpha);
  if (s.weight) {
    double const alpha = s.alpha.value_or(double(o.alpha));
    o.alpha = T(*s.weight * alpha);
    if (std::isfinite(alpha) && !std::isfinite(double(o.alpha)))
      throw user_error("--weight: " + digits(*s.weight) + " given, must be finite times --alpha");
  }
  set(o.beta, s.beta);
  set(o.gamma, s.gamma);
  o.matching = s.matching;
  if (s.token_level) o.level = mlot::transport_level::token;
  if (s.own_ranking) o.ranking = mlot::transport_ranking::own;
  if (s.plan_constant) o.derivative = mlot::sinkhorn_derivative::plan_constant;
  return o;
}

/// Tables in the place of the teacher's logits, at their own temperatures unless others are given,
/// which the library refuses.
template <mlot::real T, mlot::storage S>
void take_tables(mlot::multi_level<T, S, S, T>& loss, ranked_tables const& tables, call const& by) {
  std::string const& path = by.teacher.path;
  if (!tables.ranked_in<T>())
    throw user_error(std::string("--precision: ") + (by.s.f32 ? "f32" : "f64") +
                     " given, must be that in which " + path + " was ranked");
  if (by.s.own_ranking && !tables.ranks_transport())
    throw user_error("--transport-ranking: own given, must be shared, which is all that " + path +
                     " has");
  if (loss.options.k > tables.width && tables.width < tables.vocabulary)
    throw user_error("--k: " + std::to_string(loss.options.k) + " given, must be at most " +
                     std::to_string(tables.width) + ", the columns of " + path);
  loss.teacher_logits = {};
  loss.ranked_teacher = tables.view<T, S>();
  if (!by.s.teacher_temperature && !by.s.temperature)
    loss.options.teacher_temperature = T(tables.temperature);
  if (!by.s.transport_temperature)
    loss.options.transport_temperature = T(tables.transport_temperature);
}
/// The first ids of each list, -1 behind those that there are.
column_lists first_columns(std::span<index_t const> ids, index_t lists, index_t width) {
  column_lists all(lists, lists > 0 ? index_t(ids.size()) / lists : 0), out(lists, width);
  all.ids.assign(ids.begin(), ids.end());
  auto const from = all.view(), to = out.view();
  for (index_t b = 0; b < lists; ++b)
    for (index_t l = 0; l < width; ++l) to(b, l) = l < from.cols ? from(b, l) : -1;
  return out;
}
mlot::owned_token_rows rows_of(ranked_tables const& tables, call const& by) {
  mlot::owned_token_rows tokens;
  require(tokens.from_offsets({tables.offset().data(), index_t(tables.offset().size())}), by);
  return tokens;
}

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_multi_level(settings const& s, input_pair<S> const& input, wanted want) {
  model_input<S> const &teacher = input.teacher, &student = input.student;
  call const by{s, teacher, student};
  mlot::owned_token_rows const teacher_tokens =
      teacher.tables ? rows_of(*teacher.tables, by) : counting_rows(teacher, by);
  mlot::owned_token_rows const student_tokens = counting_rows(student, by);
  mlot::token_rows<> const &rows = teacher_tokens, &columns = student_tokens;

  evaluation<T> out;
  std::vector<T> terms(mlot::multi_level_term::count);
  mlot::multi_level<T, S, S, T> loss{.teacher_logits = teacher.view(),
                                     .teacher_tokens = rows,
                                     .student_logits = student.view(),
                                     .student_tokens = columns,
                                     .labels = labels_of(student),
                                     .options = multi_level_options_of<T>(s)};
  loss.terms = {terms.data(), index_t(terms.size())};
  if (teacher.tables) take_tables(loss, *teacher.tables, by);
  column_choice compared;
  if (want.held != nullptr) {
    loss.options.matching = mlot::column_matching::given;
    compared = *want.held;  // which greedy and exact made narrower
    for (auto* lists : {&compared.teacher, &compared.student, &compared.teacher_transport,
                        &compared.student_transport})
      *lists = lists->widened(loss.width());
  } else {
    column_lists const lists(loss.sequences(), std::max(loss.width(), index_t(0)));
    compared = {lists, lists, {}, {}};
    if (s.own_ranking) compared.teacher_transport = compared.student_transport = lists;
  }
  if (!teacher.tables) {
    loss.teacher_columns = compared.teacher.view();
    if (s.own_ranking) loss.teacher_transport_columns = compared.teacher_transport.view();
  } else {
    auto const of_file = [&](char const* name, column_lists& to) {
      to = first_columns(teacher.tables->whole(name), loss.sequences(), to.width);
    };
    of_file("ids", compared.teacher);
    if (s.own_ranking) of_file("transport_ids", compared.teacher_transport);
  }
  loss.student_columns = compared.student.view();
  if (s.own_ranking) {
    loss.student_transport_columns = compared.student_transport.view();
  }
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  std::vector<T> plan;
  if (want.plan) loss.plan = matrix(plan, rows.tokens(), columns.longest);

  run(loss, by);
  out.terms = named(names_of_columns_terms, terms);
  out.columns = want.held != nullptr ? *want.held : compared;
  list_rows(columns, out.rows);
  if (want.plan) lay_out_plan<T>(out, loss.plan, rows, columns, teacher.batched || student.batched);
  return out;
}
}  // namespace

bool has_simd() {
#if MLOT_CLI_SIMD
  return true;
#else
  return false;
#endif
}

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate(settings const& s, input_pair<S> const& input, wanted want) {
  switch (s.loss) {
    case loss_name::multi_level:
      return evaluate_multi_level<T>(s, input, want);
    case loss_name::universal_logit:
      return evaluate_universal_logit<T>(s, input, want);
    case loss_name::reference_code:
    case loss_name::distillkitplus:
      return evaluate_published_code<T>(s, input, want);
    default:
      return evaluate_one_vocabulary<T>(s, input, want);
  }
}
template evaluation<float> evaluate(settings const&, input_pair<mlot::half> const&, wanted);
template evaluation<float> evaluate(settings const&, input_pair<float> const&, wanted);
template evaluation<double> evaluate(settings const&, input_pair<double> const&, wanted);
}  // namespace mlot_cli
