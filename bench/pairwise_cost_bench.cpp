// L1 cost of every pair of tokens, k = 50, and its gradient. Items: absolute differences.
// The scalar device takes seconds for T = 4096: there the check is made at T = 1024.
#include "transport_batch.hpp"

namespace {
template <class T>
struct cost_case {
  using shape = bench::transport_shape;
  bench::transport_batch<T> batch;
  explicit cost_case(shape const& s) : batch(s) {}
  auto steps() { return std::tuple(batch.costs()); }
  auto results() { return std::tie(batch.cost); }
  auto items() const { return batch.entries() * batch.k; }
};
template <class T>
struct cost_gradient_case : cost_case<T> {
  explicit cost_gradient_case(bench::transport_shape const& s) : cost_case<T>(s) {
    this->batch.plan = bench::random_numbers<T>(bench::index_t(this->batch.plan.size()), 5);
  }
  auto steps() { return std::tuple(this->batch.costs_backward()); }
  auto results() { return std::tie(this->batch.student_gradient); }
};

template <class Case>
void measure(benchmark::State& state) {
  bench::index_t const length = state.range(0), checked = std::min<bench::index_t>(length, 1024);
  bench::measure<Case>(state, {1, length, length}, {1, checked, checked});
}
template <class T>
void pairwise_cost(benchmark::State& state) {
  measure<cost_case<T>>(state);
}
template <class T>
void pairwise_cost_gradient(benchmark::State& state) {
  measure<cost_gradient_case<T>>(state);
}
void lengths(auto* benchmark) {
  benchmark->ArgName("T")->Arg(32)->Arg(256)->Arg(1024)->Arg(2048)->Arg(4096);
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK_TEMPLATE(pairwise_cost, float)->Apply(lengths);
BENCHMARK_TEMPLATE(pairwise_cost, double)->Apply(lengths);
BENCHMARK_TEMPLATE(pairwise_cost_gradient, float)->Apply(lengths);
BENCHMARK_TEMPLATE(pairwise_cost_gradient, double)->Apply(lengths);
}  // namespace
