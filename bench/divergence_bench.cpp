// Divergences between two models over one vocabulary, value and gradient, without and with
// cross-entropy. Items: tokens. Bytes: teacher and student read once, gradient written once.
// floor_ratio: the time over that of moving those bytes as fast as this process copies memory.
#include "model.hpp"
using mlot::bfloat16;

namespace {
template <class Kind, class S>
struct divergence_case {
  struct shape : bench::logits_shape {
    bool labelled = false;
    bool operator==(shape const&) const = default;
  };
  using T = mlot::accumulator_t<S>;
  shape of;
  bench::model<S> student;
  bench::array<S> teacher;
  bench::array<bench::index_t> labels;
  bench::array<T> out = bench::array<T>(1), entropy = out;
  bench::array<S> gradient;

  explicit divergence_case(shape const& s)
      : of(s),
        student(s),
        teacher(bench::random_logits<S>(s.rows, s.vocabulary, 2)),
        labels(bench::random_labels(s.rows, s.vocabulary, 3)),
        gradient(teacher.size()) {}
  auto steps() {
    mlot::divergence<T, Kind, mlot::dense_teacher<T, S, mlot::host_memory>, S, S, mlot::host_memory>
        p{.teacher = {bench::view(teacher, of.rows, of.vocabulary), student.tokens, T(1)},
          .student_logits = student.logits_view(),
          .student_tokens = student.tokens,
          .out = bench::view(out),
          .gradient = bench::view(gradient, of.rows, of.vocabulary)};
    if (of.labelled) {
      p.labels = {.label = bench::view(labels)};
      p.cross_entropy = bench::view(entropy);
    }
    return std::tuple(p);
  }
  auto results() { return std::tie(out, gradient); }
  auto items() const { return of.rows; }
  double bytes() const { return double(3 * gradient.size() * sizeof(S)); }
};

template <class Kind, class S>
void divergence(benchmark::State& state) {
  typename divergence_case<Kind, S>::shape shape;
  shape.rows = state.range(0), shape.vocabulary = state.range(1);
  shape.labelled = state.range(2) != 0;
  auto const& one = bench::measure<divergence_case<Kind, S>>(state, shape);
  using benchmark::Counter;
  state.counters["floor_ratio"] = Counter(one.bytes() / bench::copy_bandwidth(),
                                          Counter::kIsIterationInvariantRate | Counter::kInvert);
}
void shapes(auto* benchmark) {
  benchmark->ArgNames({"rows", "V", "CE"})
      ->ArgsProduct({{256}, {50272}, {0, 1}})
      ->ArgsProduct({{128}, {151936}, {0, 1}})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
BENCHMARK_TEMPLATE(divergence, mlot::jensen_shannon<float>, float)->Apply(shapes);
BENCHMARK_TEMPLATE(divergence, mlot::jensen_shannon<float>, bfloat16)->Apply(shapes);
BENCHMARK_TEMPLATE(divergence, mlot::forward_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(divergence, mlot::reverse_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(divergence, mlot::skewed_kl<float>, float)->Apply(shapes);
BENCHMARK_TEMPLATE(divergence, mlot::adaptive_kl<float>, float)->Apply(shapes);
}  // namespace
