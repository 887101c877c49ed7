#include "mlot_cli/library_call.hpp"

namespace mlot_cli {
namespace {
/// The positions of both models that are compared, and the pairs between them, with the memory
/// behind them: answer windows, or for distillkitplus spans.
struct compared_rows {
  std::vector<index_t> offsets[3], rows[2], pairs[2];
  mlot::token_rows<> teacher, student;
  mlot::token_pairs<> both;

  explicit compared_rows(call const& by) {
    auto const& [s, t, u] = by;
    bool const windows = s.loss == loss_name::reference_code;
    auto const longest = [](model_shape const& model, bool skip_end) {
      return mlot::longest_window(model.marks(), ignore_index, skip_end);
    };
    index_t const length =
        windows ? std::max(longest(t, s.skip_teacher_end), longest(u, s.skip_student_end))
                : mlot::longest_span(t.marks(), u.marks(), ignore_index);
    index_t const sequences = t.sequences, tokens = sequences * length;
    for (auto& list : offsets) list.resize(std::size_t(sequences + 1));
    for (auto& list : rows) list.resize(std::size_t(tokens));
    for (auto& list : pairs) list.resize(std::size_t(tokens));
    auto const view = [](std::vector<index_t>& list) {
      return mlot::host::vector<index_t>{list.data(), index_t(list.size())};
    };
    auto const find_rows = [&](model_shape const& model, bool skip_end, int side,
                               mlot::token_rows<>& into) {
      mlot::token_rows_storage const storage{view(offsets[side]), view(rows[side])};
      require(windows ? mlot::rows_from_windows(model.marks(), ignore_index, skip_end, length,
                                                storage, into)
                      : mlot::rows_from_spans(model.marks(), ignore_index, length, storage, into),
              by);
    };
    find_rows(t, s.skip_teacher_end, 0, teacher);
    find_rows(u, s.skip_student_end, 1, student);
    require(mlot::pairs_from_windows(t.marks(), s.skip_teacher_end, u.marks(), s.skip_student_end,
                                     ignore_index, view(offsets[2]), view(pairs[0]), view(pairs[1]),
                                     both),
            by);
  }
};

/// What both losses name alike; `complete` gives a loss what is its own.
template <mlot::real T, mlot::storage S, class Loss, class Complete>
evaluation<T> evaluate_code(Loss loss, call const& by, input_pair<S> const& input,
                            compared_rows const& rows, wanted want, Complete complete) {
  auto const& [teacher, student] = input;
  evaluation<T> out;
  std::vector<T> terms(mlot::multi_level_term::count), plan;
  loss.teacher_logits = teacher.view();
  loss.student_logits = student.view();
  loss.pairs = rows.both;
  loss.terms = {terms.data(), index_t(terms.size())};
  set(loss.weight, by.s.weight);
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  if (want.plan) loss.plan = matrix(plan, rows.teacher.tokens(), rows.student.longest);
  complete(loss, out);

  run(loss, by);
  out.terms = named(names_of_columns_terms, terms);
  list_rows(rows.student, out.rows);
  if (want.plan)
    lay_out_plan<T>(out, loss.plan, rows.teacher, rows.student, teacher.batched || student.batched);
  return out;
}
}  // namespace

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_published_code(settings const& s, input_pair<S> const& input, wanted want) {
  call const by{s, input.teacher, input.student};
  compared_rows const rows(by);
  if (s.loss == loss_name::distillkitplus)
    return evaluate_code<T>(mlot::distillkitplus<T, S, S, T>(), by, input, rows, want,
                            [&](auto& loss, auto&) {
                              loss.teacher_spans = rows.teacher;
                              loss.student_spans = rows.student;
                              set(loss.k, s.k);
                              set(loss.temperature, s.temperature);
                              set(loss.logarithm_weight, s.beta);
                              set(loss.transport_weight, s.gamma);
                            });
  return evaluate_code<T>(
      mlot::reference_code<T, S, S, T>(), by, input, rows, want, [&](auto& loss, auto& out) {
        loss.teacher_windows = rows.teacher;
        loss.student_windows = rows.student;
        if (s.matching == mlot::column_matching::greedy)
          loss.matching = mlot::reference_matching::greedy;
        set(loss.student_temperature, s.temperature);
        set(loss.teacher_temperature, s.temperature);
        set(loss.teacher_temperature, s.teacher_temperature);
        index_t const batch = std::min(input.student.sequences, index_t(1));
        out.columns =
            column_choice{{batch, loss.width()}, {loss.student_groups(), loss.width()}, {}, {}};
        loss.teacher_columns = out.columns->teacher.view();
        loss.student_columns = out.columns->student.view();
      });
}
template evaluation<float> evaluate_published_code(settings const&, input_pair<mlot::half> const&,
                                                   wanted);
template evaluation<float> evaluate_published_code(settings const&, input_pair<float> const&,
                                                   wanted);
template evaluation<double> evaluate_published_code(settings const&, input_pair<double> const&,
                                                    wanted);
}  // namespace mlot_cli
