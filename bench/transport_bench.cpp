// From tables to the student's gradient: cost, 20 iterations, and back through both. One problem,
// and a ragged batch on one thread and on two. Items: entries of the cost, times iterations. The
// scalar device takes seconds for long problems: above T = 1024 the check is made there.
#include "transport_batch.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif

namespace {
template <class T>
struct transport_case {
  using shape = bench::transport_shape;
  bench::transport_batch<T> batch;
  explicit transport_case(shape const& s) : batch(s) {}
  auto steps() {
    return std::tuple(batch.costs(), batch.forward(), batch.backward(), batch.costs_backward());
  }
  auto results() { return std::tie(batch.distance, batch.student_gradient); }
  auto items() const { return batch.entries() * batch.iterations; }
};

template <class T>
void transport(benchmark::State& state) {
  bench::index_t const length = state.range(0), checked = std::min<bench::index_t>(length, 1024);
  bench::measure<transport_case<T>>(state, {1, length, length}, {1, checked, checked});
}
template <class T>
void ragged_transport(benchmark::State& state) {
#ifdef _OPENMP
  int const before = omp_get_max_threads();
  omp_set_num_threads(int(state.range(0)));
  bench::measure<transport_case<T>>(state, {64, 32, 512});
  omp_set_num_threads(before);
#else
  state.SkipWithError("built without OpenMP");
#endif
}
void lengths(auto* benchmark) {
  benchmark->ArgName("T")->Arg(32)->Arg(256)->Arg(1024)->Arg(2048)->Arg(4096);
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
void thread_counts(auto* benchmark) {
  benchmark->ArgName("threads")->Arg(1)->Arg(2);
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK_TEMPLATE(transport, float)->Apply(lengths);
BENCHMARK_TEMPLATE(transport, double)->Apply(lengths);
BENCHMARK_TEMPLATE(ragged_transport, float)->Apply(thread_counts);
BENCHMARK_TEMPLATE(ragged_transport, double)->Apply(thread_counts);
}  // namespace
