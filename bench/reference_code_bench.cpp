// What the authors' code computes, forward and backward. Items: tokens. Bytes: those of
// multi_level, although normalising the rows takes a pass more over each.
#include "loss_batch.hpp"

namespace {
template <class S>
struct code_case : bench::loss_batch<S> {
  using T = typename bench::loss_batch<S>::T;
  using bench::loss_batch<S>::loss_batch;
  auto steps() {
    auto& own = *this;
    return std::tuple(mlot::reference_code<T, S, S>{
        .teacher_logits = bench::view(own.teacher, own.rows, own.of.m),
        .student_logits = bench::view(own.student, own.rows, own.of.n),
        .teacher_windows = own.tokens,
        .student_windows = own.tokens,
        .terms = bench::view(own.terms),
        .gradient = bench::view(own.gradient, own.rows, own.of.n)});
  }
};

template <class S>
void reference_code(benchmark::State& state) {
  bench::measure<code_case<S>>(state, bench::loss_shape_of(state)).count_floor(state);
}
BENCHMARK_TEMPLATE(reference_code, float)->Apply(bench::loss_shapes);
}  // namespace
