#include <algorithm>
#include <iostream>
#include <new>
#include <stdexcept>

#include "mlot_cli/check_gradient.hpp"
#include "mlot_cli/output_files.hpp"
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

int run(settings const& s) {
  stored_model teacher = read_model("--teacher", s.teacher, "--teacher-labels", s.teacher_labels);
  stored_model student = read_model("--student", s.student, "--labels", s.labels);
  check_batch(teacher, student);
  if (!s.f32) return run_as<double>(s, std::move(teacher), std::move(student));
  auto const is_half = [](stored_model const& m) {
    return std::holds_alternative<std::vector<mlot::half>>(m.file.elements);
  };
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
