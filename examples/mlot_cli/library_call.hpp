#pragma once
#include <initializer_list>

#include "mlot/instances.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot_cli/evaluate.hpp"
#include "mlot_cli/user_error.hpp"
#if MLOT_CLI_SIMD
#  include "mlot/simd.hpp"
#endif
/// What every loss's evaluation needs: from files' arrays to the library's arguments, and back.
namespace mlot_cli {
/// What a fault is explained by.
struct call {
  settings const& s;
  model_shape const &teacher, &student;
};
/// A fault of the library in the words of the command line.
std::string explain(mlot::status fault, call const& by);
inline void require(mlot::status const& answer, call const& by) {
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

inline void list_rows(mlot::token_rows<> const& tokens, std::vector<index_t>& rows) {
  for (index_t i = 0; i < tokens.tokens(); ++i)
    if (tokens.row(i) >= 0) rows.push_back(tokens.row(i));
}

inline mlot::owned_token_rows counting_rows(model_shape const& model, call const& by) {
  mlot::owned_token_rows tokens;
  std::vector<index_t> const whole(std::size_t(model.sequences), model.positions);
  mlot::status const answer =
      model.has_marks() ? tokens.from_labels(model.marks(), ignore_index)
                        : tokens.from_lengths({whole.data(), model.sequences}, model.positions);
  require(answer, by);
  return tokens;
}

template <class S>
mlot::row_labels<mlot::host_memory> labels_of(model_input<S> const& student) {
  if (!student.labels) return {};
  return {.label = {student.labels->data(), student.rows()}, .ignore_index = ignore_index};
}

/// An option of the loss, where it is given.
template <class T, class Given>
void set(T& option, std::optional<Given> const& given) {
  if (given) option = T(*given);
}
/// The loss's terms by name, the total last.
template <class T>
std::vector<named_term<T>> named(std::initializer_list<char const*> names,
                                 std::vector<T> const& values) {
  std::vector<named_term<T>> terms;
  for (char const* const name : names) terms.push_back({name, values[terms.size()]});
  return terms;
}
/// multi_level's terms, which others have too.
inline constexpr auto names_of_columns_terms = {"cross_entropy", "absolute_difference",
                                                "logarithmic", "sinkhorn", "total"};

/// evaluate() of some losses, each in a file of its own.
template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_universal_logit(settings const& s, input_pair<S> const& input, wanted want);
template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_one_vocabulary(settings const& s, input_pair<S> const& input, wanted want);
template <mlot::real T, mlot::storage S>
evaluation<T> evaluate_published_code(settings const& s, input_pair<S> const& input, wanted want);
}  // namespace mlot_cli
