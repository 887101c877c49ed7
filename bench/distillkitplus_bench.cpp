// What DistillKitPlus computes, forward and backward. Items: tokens. Bytes: those of multi_level,
// although sorting takes a pass more over each model's rows.
#include "loss_batch.hpp"

namespace {
template <class S>
struct kit_case : bench::loss_batch<S> {
  using T = typename bench::loss_batch<S>::T;
  using bench::loss_batch<S>::loss_batch;
  auto steps() {
    auto& own = *this;
    return std::tuple(mlot::distillkitplus<T, S, S>{
        .teacher_logits = bench::view(own.teacher, own.rows, own.of.m),
        .student_logits = bench::view(own.student, own.rows, own.of.n),
        .teacher_spans = own.tokens,
        .student_spans = own.tokens,
        .terms = bench::view(own.terms),
        .gradient = bench::view(own.gradient, own.rows, own.of.n)});
  }
};

template <class S>
void distillkitplus(benchmark::State& state) {
  bench::measure<kit_case<S>>(state, bench::loss_shape_of(state)).count_floor(state);
}
BENCHMARK_TEMPLATE(distillkitplus, float)->Apply(bench::loss_shapes);
BENCHMARK_TEMPLATE(distillkitplus, mlot::bfloat16)->Apply(bench::loss_shapes);
}  // namespace
