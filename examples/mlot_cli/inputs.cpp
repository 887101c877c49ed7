#include "mlot_cli/inputs.hpp"

#include <algorithm>

#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
std::vector<index_t> read_labels(model_shape const& model, std::string const& option,
                                 std::string const& path) {
  npy_array file = read_npy(option, path, label_types);
  std::vector<index_t> expected = model.shape();
  expected.pop_back();
  if (file.shape != expected)
    throw user_error(option + ": " + path + " has shape " + shape_text(file.shape) + ", must be " +
                     shape_text(expected) + ", one label a row of " + model.option);
  auto const widen = [](auto const& from) {
    return std::vector<index_t>(from.begin(), from.end());
  };
  auto* const whole = std::get_if<std::vector<std::int64_t>>(&file.elements);
  std::vector<index_t> labels = whole != nullptr
                                    ? std::move(*whole)
                                    : widen(std::get<std::vector<std::int32_t>>(file.elements));
  for (std::size_t r = 0; r < labels.size(); ++r)
    if (labels[r] != ignore_index && (labels[r] < 0 || labels[r] >= model.vocabulary))
      throw user_error(option + ": " + path + ", " + position(model, index_t(r)) + ": label " +
                       std::to_string(labels[r]) + " given, must be 0 to " +
                       std::to_string(model.vocabulary - 1) + ", or " +
                       std::to_string(ignore_index));
  return labels;
}
}  // namespace

stored_model read_model(std::string const& option, std::string const& path,
                        std::string const& labels_option, std::string const& labels_path) {
  stored_model model;
  model.option = option;
  model.path = path;
  model.labels_option = labels_option;
  model.file = read_npy(option, path, logit_types);
  std::vector<index_t> const& shape = model.file.shape;
  std::size_t const rank = shape.size();
  if (rank != 2 && rank != 3)
    throw user_error(option + ": " + path + " has shape " + shape_text(shape) +
                     ", must be (T, V) or (B, T, V)");
  model.batched = rank == 3;
  model.sequences = model.batched ? shape[0] : 1;
  model.positions = shape[rank - 2];
  model.vocabulary = shape[rank - 1];
  if (model.vocabulary < 1)
    throw user_error(option + ": " + path + " has shape " + shape_text(shape) +
                     ", must have at least one vocabulary id");
  if (!labels_path.empty()) model.labels = read_labels(model, labels_option, labels_path);
  return model;
}

stored_model read_teacher(std::string const& path, std::string const& labels_path) {
  if (!looks_like_safetensors(path))
    return read_model("--teacher", path, "--teacher-labels", labels_path);
  stored_model model;
  model.option = "--teacher";
  model.path = path;
  if (!labels_path.empty())
    throw user_error("--teacher-labels: not with tables; they hold the rows that count");
  model.tables = read_ranked_tables(model.option, path);
  model.sequences = model.tables->sequences();
  model.vocabulary = model.tables->vocabulary;
  return model;
}

void check_batch(stored_model const& teacher, stored_model const& student) {
  if (teacher.sequences != student.sequences)
    throw user_error(student.option + ": " + student.path + " has " +
                     std::to_string(student.sequences) + " sequences, must have as many as " +
                     teacher.option + ": " + std::to_string(teacher.sequences));
}

namespace {
bool leaves_positions_out(stored_model const& model) {
  return model.labels &&
         std::find(model.labels->begin(), model.labels->end(), ignore_index) != model.labels->end();
}
/// Tables hold their rows: all, or those that labels chose.
void match_tables(stored_model const& teacher, stored_model const& student) {
  if (teacher.tables->rows == table_rows::all && leaves_positions_out(student))
    throw user_error("--teacher: " + teacher.path + " has every row of the teacher, and " +
                     student.labels_option +
                     " leaves positions out: it must be written with --teacher-labels");
  if (teacher.tables->rows == table_rows::labelled && !student.labels)
    throw user_error(student.labels_option + ": missing; " + teacher.path +
                     " has the rows that count alone, and those of " + student.option +
                     " must be known as well");
}
}  // namespace

void match_positions(stored_model& teacher, stored_model& student) {
  if (teacher.tables) return match_tables(teacher, student);
  for (auto const& [with, without] :
       {std::pair(&teacher, &student), std::pair(&student, &teacher)}) {
    if (without->labels || !leaves_positions_out(*with)) continue;
    if (with->positions != without->positions)
      throw user_error(without->labels_option + ": missing; " + with->labels_option +
                       " leaves positions out, and which of " + without->option +
                       " count must be said: it has " + std::to_string(without->positions) +
                       ", not the " + std::to_string(with->positions) + " of " + with->option);
    without->other_labels = with->labels;
  }
}

namespace {
/// A variant's numbers as S; no others can be there.
template <class S, class Elements>
std::vector<S> taken(Elements& elements) {
  std::vector<S> to;
  auto const take = [&](auto& from) {
    using from_type = typename std::remove_reference_t<decltype(from)>::value_type;
    if constexpr (std::is_same_v<from_type, S>) {
      to = std::move(from);
    } else if constexpr (mlot::real<S> && mlot::storage<from_type>) {
      to.reserve(from.size());
      for (from_type const& z : from) to.push_back(mlot::load_as<S>(z));
    }
  };
  std::visit(take, elements);
  return to;
}
}  // namespace

template <class S>
model_input<S> convert(stored_model&& stored) {
  model_input<S> model;
  static_cast<model_shape&>(model) = std::move(stored);
  model.logits = taken<S>(stored.file.elements);
  model.tables = std::move(stored.tables);
  if (model.tables)
    for (char const* const name : {"logits", "transport_logits"})
      if (auto const at = model.tables->file.tensors.find(name);
          at != model.tables->file.tensors.end())
        at->second.elements = taken<S>(at->second.elements);
  return model;
}
template model_input<mlot::half> convert(stored_model&&);
template model_input<float> convert(stored_model&&);
template model_input<double> convert(stored_model&&);

std::string position(model_shape const& model, index_t row) {
  std::string const within = "row " + std::to_string(row % model.positions);
  if (!model.batched) return within;
  return "sequence " + std::to_string(row / model.positions) + ", " + within;
}
}  // namespace mlot_cli
