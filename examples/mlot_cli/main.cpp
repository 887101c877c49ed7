#include <algorithm>
#include <iostream>
#include <new>
#include <stdexcept>

#include "mlot_cli/check_gradient.hpp"
#include "mlot_cli/output_files.hpp"
#include "mlot_cli/rank_teacher.hpp"
#include "mlot_cli/report.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
void print(std::string const& text) {
  std::cout << text << std::flush;
  if (!std::cout) throw user_error("stdout cannot be written");
}

template <mlot::real T, mlot::storage S>
void run_loss(settings const& s, input_pair<S> const& input) {
  evaluation<T> const result = evaluate<T>(
      s, input, {.gradient = !s.gradient.empty(), .plan = !s.plan.empty(), .held = nullptr});
  output_files files;
  files.add<T>("--gradient", s.gradient, input.student.shape(), result.gradient);
  files.add<T>("--plan", s.plan, result.plan_shape, result.plan);
  files.publish();
  print(report(result, input.student.sequences));
  files.keep();
}

template <class S>
input_pair<S> convert_both(stored_model&& teacher, stored_model&& student) {
  return {convert<S>(std::move(teacher)), convert<S>(std::move(student))};
}

template <mlot::real T>
int run_as(settings const& s, stored_model&& teacher, stored_model&& student) {
  input_pair<T> const input = convert_both<T>(std::move(teacher), std::move(student));
  if (s.run == command::check_gradient) return check_gradient<T>(s, input, std::cout) ? 0 : 1;
  run_loss<T>(s, input);
  return 0;
}

/// The bytes that one of its logits has in the file.
std::size_t logit_size(stored_model const& m) {
  auto const size = [](auto const& elements) {
    return std::visit([](auto const& all) { return sizeof all[0]; }, elements);
  };
  return m.tables ? size(m.tables->file.tensors.at("logits").elements) : size(m.file.elements);
}
bool is_half(stored_model const& m) { return logit_size(m) == sizeof(mlot::half); }

template <mlot::real T, mlot::storage S>
int run_teacher(settings const& s, stored_model&& teacher) {
  std::size_t const size = logit_size(teacher);
  safetensors const tables = rank_teacher<T>(s, convert<S>(std::move(teacher)), size);
  output_files files;
  files.add("--out", s.out, [&](std::ostream& out) { write_safetensors(out, tables); });
  files.publish();
  files.keep();
  return 0;
}
int run_teacher(settings const& s) {
  stored_model teacher = read_model("--teacher", s.teacher, "--teacher-labels", s.teacher_labels);
  if (!s.f32) return run_teacher<double, double>(s, std::move(teacher));
  if (is_half(teacher)) return run_teacher<float, mlot::half>(s, std::move(teacher));
  return run_teacher<float, float>(s, std::move(teacher));
}

int run(settings const& s) {
  if (s.run == command::teacher) return run_teacher(s);
  stored_model teacher = read_teacher(s.teacher, s.teacher_labels);
  stored_model student = read_model("--student", s.student, "--labels", s.labels);
  check_batch(teacher, student);
  match_positions(teacher, student);
  if (teacher.tables && (s.run != command::loss || s.loss != loss_name::multi_level))
    throw user_error("--teacher: " + s.teacher +
                     " has tables, must be logits but for the loss multi-level");
  if (!s.f32) return run_as<double>(s, std::move(teacher), std::move(student));
  if (s.run == command::loss && is_half(teacher) && is_half(student)) {  // read as they are stored
    run_loss<float>(s, convert_both<mlot::half>(std::move(teacher), std::move(student)));
    return 0;
  }
  return run_as<float>(s, std::move(teacher), std::move(student));
}

int fail(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  std::cerr << "mlot_cli: " << text << '\n';
  return 2;
}
}  // namespace
}  // namespace mlot_cli

int main(int count, char** words) try {
  auto const settings = mlot_cli::read_command_line(count, words);
  return settings ? mlot_cli::run(*settings) : 0;
} catch (std::bad_alloc const&) {
  return mlot_cli::fail("these inputs need more memory than there is");
} catch (std::length_error const&) {
  return mlot_cli::fail("these inputs need more memory than can be addressed");
} catch (std::exception const& problem) {
  return mlot_cli::fail(problem.what());
}
