// ULD's differences rank by rank and their gradient, from sums that are there already. Items: pairs
// of tokens. Bytes: teacher and student logits read once, gradient written once.
#include "model.hpp"
using mlot::bfloat16;

namespace {
struct ranked_shape {
  bench::index_t rows = 1, m = 1, n = 1;
  bool operator==(ranked_shape const&) const = default;
};
template <class S>
struct ranked_case {
  using shape = ranked_shape;
  using T = mlot::accumulator_t<S>;
  bench::model<S> teacher, student;
  bench::array<T> out = bench::array<T>(1);
  bench::array<S> gradient = bench::array<S>(student.logits.size());

  explicit ranked_case(shape s) : teacher({s.rows, s.m}), student({s.rows, s.n}) {
    teacher.logits = bench::random_logits<S>(s.rows, s.m, 2);
    bench::prepare(teacher.sums());
    bench::prepare(student.sums());
  }
  auto steps() {
    auto const softmax = [](bench::model<S>& of) {
      return mlot::token_softmax<T, S, mlot::host_memory>{.logits = of.logits_view(),
                                                          .tokens = of.tokens,
                                                          .maximum = bench::view(of.maximum),
                                                          .partition = bench::view(of.partition)};
    };
    return std::tuple(mlot::ranked_difference<T, S, S, S, mlot::host_memory>{
        .teacher = softmax(teacher),
        .student = softmax(student),
        .out = bench::view(out),
        .gradient = bench::view(gradient, student.rows, student.vocabulary)});
  }
  auto results() { return std::tie(out, gradient); }
  auto items() const { return student.rows; }
  double bytes() const {
    return double((teacher.logits.size() + 2 * student.logits.size()) * sizeof(S));
  }
};

template <class S>
void ranked_difference(benchmark::State& state) {
  ranked_shape const shape{state.range(0), state.range(1), state.range(2)};
  bench::measure<ranked_case<S>>(state, shape,
                                 {std::min<bench::index_t>(shape.rows, 8), shape.m, shape.n});
}
void shapes(auto* benchmark) {
  benchmark->ArgNames({"rows", "m", "n"})
      ->Args({256, 32000, 50272})
      ->Args({256, 50272, 32000})
      ->Args({128, 128256, 151936})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
BENCHMARK_TEMPLATE(ranked_difference, float)->Apply(shapes);
BENCHMARK_TEMPLATE(ranked_difference, bfloat16)->Apply(shapes);
}  // namespace
