// 20 iterations on a given cost, in every domain, and the gradient through them. Items: entries of
// the cost, times iterations. Bytes: the cost read and one matrix written, as if all between stayed
// in cache. The absorbed domain runs at an epsilon that needs it, where scalings are absorbed as
// often as they grow; at epsilon = 0.1 they never would.
// The scalar device takes seconds for long problems: above T = 1024 in the scaling domain, and
// above T = 256 in the others, the check is made at that length.
#include "transport_batch.hpp"

namespace {
template <class T>
struct forward_case {
  using shape = bench::transport_shape;
  bench::transport_batch<T> batch;
  explicit forward_case(shape const& s) : batch(s) { bench::prepare(batch.costs()); }
  auto steps() { return std::tuple(batch.forward()); }
  auto results() { return std::tie(batch.plan, batch.distance); }
  auto items() const { return batch.entries() * batch.iterations; }
  double bytes() const { return 2.0 * double(batch.entries()) * sizeof(T); }
};
template <class T>
struct gradient_case : forward_case<T> {
  explicit gradient_case(bench::transport_shape const& s) : forward_case<T>(s) {
    bench::prepare(this->batch.forward());
  }
  auto steps() { return std::tuple(this->batch.backward()); }
  auto results() { return std::tie(this->batch.plan); }
};

template <class Case, mlot::sinkhorn_domain Domain>
void measure(benchmark::State& state, double epsilon = 0.1) {
  bench::index_t const affordable = Domain == mlot::sinkhorn_domain::scaling ? 1024 : 256;
  bench::index_t const length = state.range(0), checked = std::min(length, affordable);
  bench::measure<Case>(state, {1, length, length, Domain, epsilon},
                       {1, checked, checked, Domain, epsilon});
}
template <class T>
void sinkhorn(benchmark::State& state) {
  measure<forward_case<T>, mlot::sinkhorn_domain::scaling>(state);
}
template <class T>
void sinkhorn_gradient(benchmark::State& state) {
  measure<gradient_case<T>, mlot::sinkhorn_domain::scaling>(state);
}
template <class T>
void sinkhorn_absorbed(benchmark::State& state) {
  measure<forward_case<T>, mlot::sinkhorn_domain::absorbed>(state, 0.005);
}
template <class T>
void sinkhorn_log(benchmark::State& state) {
  measure<forward_case<T>, mlot::sinkhorn_domain::logarithmic>(state);
}
template <class T>
void sinkhorn_log_gradient(benchmark::State& state) {
  measure<gradient_case<T>, mlot::sinkhorn_domain::logarithmic>(state);
}
void log_lengths(auto* benchmark) {
  benchmark->ArgName("T")->Arg(32)->Arg(256)->Arg(1024);
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
void lengths(auto* benchmark) {
  log_lengths(benchmark);
  benchmark->Arg(2048)->Arg(4096);
}
BENCHMARK_TEMPLATE(sinkhorn, float)->Apply(lengths);
BENCHMARK_TEMPLATE(sinkhorn, double)->Apply(lengths);
BENCHMARK_TEMPLATE(sinkhorn_gradient, float)->Apply(lengths);
BENCHMARK_TEMPLATE(sinkhorn_gradient, double)->Apply(lengths);
BENCHMARK_TEMPLATE(sinkhorn_absorbed, float)->Apply(log_lengths);
BENCHMARK_TEMPLATE(sinkhorn_absorbed, double)->Apply(log_lengths);
BENCHMARK_TEMPLATE(sinkhorn_log, float)->Apply(log_lengths);
BENCHMARK_TEMPLATE(sinkhorn_log, double)->Apply(log_lengths);
BENCHMARK_TEMPLATE(sinkhorn_log_gradient, float)->Apply(log_lengths);
BENCHMARK_TEMPLATE(sinkhorn_log_gradient, double)->Apply(log_lengths);
}  // namespace
