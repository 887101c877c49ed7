// HAD and SL of one sequence, k = 50, and their gradient. Items: entries of a table. Bytes: three
// tables read; for the gradient two more written.
#include "measure.hpp"

namespace {
struct table_shape {
  bench::index_t tokens = 1;
  bool operator==(table_shape const&) const = default;
};
template <class T>
struct terms_case {
  using shape = table_shape;
  using memory = mlot::host_memory;
  static constexpr bench::index_t k = 50;
  bench::index_t tokens;
  bench::array<bench::index_t> offset = bench::array<bench::index_t>(2);
  bench::array<T> teacher = bench::random_probabilities<T>(tokens, k, 1);
  bench::array<T> student = bench::random_probabilities<T>(tokens, k, 2), student_log = student;
  bench::array<T> difference = bench::array<T>(1), logarithm = difference;
  explicit terms_case(shape s) : tokens(s.tokens) {
    offset[1] = tokens;
    for (T& x : student_log) x = std::log(x);
  }
  mlot::aligned_terms<T, memory> terms() {
    return {.teacher = table(teacher),
            .student = table(student),
            .student_log = table(student_log),
            .teacher_offset = bench::view(offset),
            .student_offset = bench::view(offset),
            .holistic_difference = bench::view(difference),
            .sequential_logarithm = bench::view(logarithm)};
  }
  auto table(bench::array<T>& of) { return bench::view(of, tokens, k); }
  auto steps() { return std::tuple(terms()); }
  auto results() { return std::tie(difference, logarithm); }
  auto items() const { return tokens * k; }
  double bytes() const { return 3.0 * double(items()) * sizeof(T); }
};
template <class T>
struct terms_gradient_case : terms_case<T> {
  bench::array<T> table_gradient = this->student, log_gradient = this->student;
  explicit terms_gradient_case(table_shape s) : terms_case<T>(s) {}
  auto steps() {
    return std::tuple(mlot::aligned_terms_gradient<T, mlot::host_memory>{
        .of = this->terms(),
        .table_gradient = this->table(table_gradient),
        .log_gradient = this->table(log_gradient)});
  }
  auto results() { return std::tie(table_gradient, log_gradient); }
  double bytes() const { return 5.0 * double(this->items()) * sizeof(T); }
};

template <class T>
void aligned_terms(benchmark::State& state) {
  bench::measure<terms_case<T>>(state, {state.range(0)});
}
template <class T>
void aligned_terms_gradient(benchmark::State& state) {
  bench::measure<terms_gradient_case<T>>(state, {state.range(0)});
}
void lengths(auto* benchmark) {
  benchmark->ArgName("T")->Arg(32)->Arg(256)->Arg(1024)->Arg(4096)->UseRealTime();
}
BENCHMARK_TEMPLATE(aligned_terms, float)->Apply(lengths);
BENCHMARK_TEMPLATE(aligned_terms, double)->Apply(lengths);
BENCHMARK_TEMPLATE(aligned_terms_gradient, float)->Apply(lengths);
BENCHMARK_TEMPLATE(aligned_terms_gradient, double)->Apply(lengths);
}  // namespace
