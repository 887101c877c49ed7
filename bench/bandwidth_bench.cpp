// What memory gives to all threads, out of cache: the limit that of_copy and floor_ratio refer to.
#include <benchmark/benchmark.h>

#include "bandwidth.hpp"

namespace {
void rate(benchmark::State& state, double bytes) {
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
}
void copy(benchmark::State& state) {
  bench::large_arrays arrays;
  for (auto _ : state) {
    arrays.copy();
    benchmark::ClobberMemory();
  }
  rate(state, bench::large_arrays::copied);
}
void read(benchmark::State& state) {
  bench::large_arrays const arrays;
  for (auto _ : state) benchmark::DoNotOptimize(arrays.read());
  rate(state, bench::large_arrays::read_only);
}
BENCHMARK(copy)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(read)->Unit(benchmark::kMillisecond)->UseRealTime();
}  // namespace
