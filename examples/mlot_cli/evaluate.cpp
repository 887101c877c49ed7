#include "mlot_cli/evaluate.hpp"

#include "mlot/interop/describe.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot/mlot.hpp"
#include "mlot_cli/user_error.hpp"
#if MLOT_CLI_SIMD
#  include "mlot/simd.hpp"
#endif

namespace mlot_cli {
namespace {
/// What a fault is explained by.
struct call {
  settings const& s;
  model_shape const &teacher, &student;
};
/// A fault of the library in the words of the command line.
std::string explain(mlot::status fault, call const& by) {
  std::string name = fault.argument;
  name.erase(0, name.find('.') + 1);
  if (name.starts_with("options.")) name.erase(0, name.find('.') + 1);
  if (name == "student_temperature" || (name == "teacher_temperature" && !by.s.teacher_temperature))
    name = "temperature";
  if (name == "teacher_logits" || name == "student_logits") {
    model_shape const& model = name == "teacher_logits" ? by.teacher : by.student;
    name = model.option + ": " + model.path;
    if (fault.row >= 0 && model.batched) {
      name += ", sequence " + std::to_string(fault.row / model.positions);
      fault.row %= model.positions;
    }
  } else {
    std::replace(name.begin(), name.end(), '_', '-');
    name.insert(0, "--");
  }
  fault.argument = name.c_str();
  return mlot::describe(fault);
}
void require(mlot::status const& answer, call const& by) {
  if (!answer.ok()) throw user_error(explain(answer, by));
}

template <class Device, class Loss>
void run_on(Device device, Loss const& loss, call const& by) {
  require(loss.check(), by);  // before a size is computed of wrong options
  mlot::scratch_buffer scratch;
  require(mlot::compute(device, loss, scratch.for_call(device, loss)), by);
}
template <class Loss>
void run(Loss const& loss, call const& by) {
#if MLOT_CLI_SIMD
  if (by.s.simd) return run_on(mlot::on::simd<>{}, loss, by);
#endif
  run_on(mlot::on::scalar{}, loss, by);
}

template <class T>
mlot::host::matrix<T> matrix(std::vector<T>& memory, index_t rows, index_t cols) {
  memory.assign(std::size_t(rows * cols), T(0));
  return {memory.data(), rows, cols, cols};
}

/// The plan as the library writes it, a row a teacher token, as one (rows, columns) block a
/// sequence, padded by zeros.
template <class T>
void lay_out_plan(evaluation<T>& out, mlot::host::matrix<T const> plan,
                  mlot::token_rows<> const& teacher, mlot::token_rows<> const& student,
                  bool batched) {
  index_t const rows = teacher.longest, columns = student.longest;
  out.plan_shape = {rows, columns};
  if (batched) out.plan_shape.insert(out.plan_shape.begin(), teacher.sequences());
  auto const blocks = matrix(out.plan, teacher.sequences() * rows, columns);
  for (index_t b = 0; b < teacher.sequences(); ++b)
    for (index_t i = 0; i < teacher.count(b); ++i)
      for (index_t j = 0; j < student.count(b); ++j)
        blocks(b * rows + i, j) = plan(teacher.first(b) + i, j);
}

void list_rows(mlot::token_rows<> const& tokens, std::vector<index_t>& rows) {
  for (index_t i = 0; i < tokens.tokens(); ++i)
    if (tokens.row(i) >= 0) rows.push_back(tokens.row(i));
}

mlot::owned_token_rows counting_rows(model_shape const& model, call const& by) {
  mlot::owned_token_rows tokens;
  std::vector<index_t> const whole(std::size_t(model.sequences), model.positions);
  mlot::status const answer =
      model.labels ? tokens.from_labels(model.label_view(), ignore_index)
                   : tokens.from_lengths({whole.data(), model.sequences}, model.positions);
  require(answer, by);
  return tokens;
}

template <class T>
mlot::multi_level_options<T> paper_options(settings const& s) {
  mlot::multi_level_options<T> o;
  o.k = s.k;
  o.temperature = T(s.temperature);
  o.teacher_temperature = T(s.teacher_temperature.value_or(0));
  o.transport_temperature = T(s.transport_temperature);
  o.epsilon = T(s.epsilon);
  o.iterations = s.iterations;
  o.alpha = T(s.weight * s.alpha);
  o.beta = T(s.beta);
  o.gamma = T(s.gamma);
  o.matching = s.matching;
  if (s.token_level) o.level = mlot::transport_level::token;
  if (s.own_ranking) o.ranking = mlot::transport_ranking::own;
  if (s.plan_constant) o.derivative = mlot::sinkhorn_derivative::plan_constant;
  return o;
}

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_paper(settings const& s, input_pair<S> const& input, wanted want) {
  auto const& [teacher, student] = input;
  call const by{s, teacher, student};
  mlot::owned_token_rows const teacher_tokens = counting_rows(teacher, by);
  mlot::owned_token_rows const student_tokens = counting_rows(student, by);
  mlot::token_rows<> const &rows = teacher_tokens, &columns = student_tokens;

  evaluation<T> out;
  mlot::multi_level<T, S, S, T> loss{.teacher_logits = teacher.view(),
                                     .teacher_tokens = rows,
                                     .student_logits = student.view(),
                                     .student_tokens = columns,
                                     .options = paper_options<T>(s)};
  if (student.labels) loss.labels.label = {student.labels->data(), student.rows()};
  loss.labels.ignore_index = ignore_index;
  loss.terms = {out.terms.data(), index_t(out.terms.size())};
  if (want.held != nullptr) {
    loss.options.matching = mlot::column_matching::given;
    out.columns = *want.held;  // which greedy and exact made narrower
    for (auto* lists : {&out.columns.teacher, &out.columns.student, &out.columns.teacher_transport,
                        &out.columns.student_transport})
      *lists = lists->widened(loss.width());
  } else {
    column_lists const lists(loss.sequences(), std::max(loss.width(), index_t(0)));
    out.columns = {lists, lists, {}, {}};
    if (s.own_ranking) out.columns.teacher_transport = out.columns.student_transport = lists;
  }
  loss.teacher_columns = out.columns.teacher.view();
  loss.student_columns = out.columns.student.view();
  if (s.own_ranking) {
    loss.teacher_transport_columns = out.columns.teacher_transport.view();
    loss.student_transport_columns = out.columns.student_transport.view();
  }
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  std::vector<T> plan;
  if (want.plan) loss.plan = matrix(plan, rows.tokens(), columns.longest);

  run(loss, by);
  if (want.held != nullptr) out.columns = *want.held;
  list_rows(columns, out.rows);
  if (want.plan) lay_out_plan<T>(out, loss.plan, rows, columns, teacher.batched || student.batched);
  return out;
}

/// The windows of both models and the pairs between them, with the memory behind them.
struct reference_windows {
  std::vector<index_t> offsets[3], rows[2], pairs[2];
  mlot::token_rows<> teacher, student;
  mlot::token_pairs<> both;

  explicit reference_windows(call const& by) {
    auto const& [s, t, u] = by;
    index_t const length =
        std::max(mlot::longest_window(t.label_view(), ignore_index, s.skip_teacher_end),
                 mlot::longest_window(u.label_view(), ignore_index, s.skip_student_end));
    index_t const sequences = t.sequences, tokens = sequences * length;
    for (auto& list : offsets) list.resize(std::size_t(sequences + 1));
    for (auto& list : rows) list.resize(std::size_t(tokens));
    for (auto& list : pairs) list.resize(std::size_t(tokens));
    auto const view = [](std::vector<index_t>& list) {
      return mlot::host::vector<index_t>{list.data(), index_t(list.size())};
    };
    require(mlot::rows_from_windows(t.label_view(), ignore_index, s.skip_teacher_end, length,
                                    {view(offsets[0]), view(rows[0])}, teacher),
            by);
    require(mlot::rows_from_windows(u.label_view(), ignore_index, s.skip_student_end, length,
                                    {view(offsets[1]), view(rows[1])}, student),
            by);
    require(mlot::pairs_from_windows(t.label_view(), s.skip_teacher_end, u.label_view(),
                                     s.skip_student_end, ignore_index, view(offsets[2]),
                                     view(pairs[0]), view(pairs[1]), both),
            by);
  }
};

template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_reference_code(settings const& s, input_pair<S> const& input, wanted want) {
  auto const& [teacher, student] = input;
  call const by{s, teacher, student};
  reference_windows const windows(by);

  evaluation<T> out;
  mlot::reference_code<T, S, S, T> loss{
      .teacher_logits = teacher.view(),
      .student_logits = student.view(),
      .teacher_windows = windows.teacher,
      .student_windows = windows.student,
      .pairs = windows.both,
      .teacher_temperature = T(s.teacher_temperature.value_or(s.temperature)),
      .student_temperature = T(s.temperature),
      .weight = T(s.weight)};
  loss.terms = {out.terms.data(), index_t(out.terms.size())};
  column_lists const lists(student.sequences > 0 ? 1 : 0, loss.kept_columns);
  out.columns = {lists, lists, {}, {}};
  loss.teacher_columns = out.columns.teacher.view();
  loss.student_columns = out.columns.student.view();
  if (want.gradient) loss.gradient = matrix(out.gradient, student.rows(), student.vocabulary);
  std::vector<T> plan;
  if (want.plan) loss.plan = matrix(plan, windows.teacher.tokens(), windows.student.longest);

  run(loss, by);
  list_rows(windows.student, out.rows);
  if (want.plan)
    lay_out_plan<T>(out, loss.plan, windows.teacher, windows.student,
                    teacher.batched || student.batched);
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
  return s.reference_code ? evaluate_reference_code<T>(s, input, want)
                          : evaluate_paper<T>(s, input, want);
}
template evaluation<float> evaluate(settings const&, input_pair<mlot::half> const&, wanted);
template evaluation<float> evaluate(settings const&, input_pair<float> const&, wanted);
template evaluation<double> evaluate(settings const&, input_pair<double> const&, wanted);
}  // namespace mlot_cli
