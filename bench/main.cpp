// What a number needs beside it to mean anything: where and how it was made. The rest of the
// machine (cores, caches, load) Google Benchmark writes itself.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <xsimd/xsimd.hpp>

#include "optimised.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif

namespace {
/// As Linux names it.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  return "unknown";
}
int threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
}  // namespace

int main(int argc, char** argv) {
  bench::refuse_unoptimised();
  benchmark::AddCustomContext("processor", processor());
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  benchmark::AddCustomContext("compiler", MLOT_BENCH_COMPILER);
  benchmark::AddCustomContext("flags", MLOT_BENCH_FLAGS);
  benchmark::AddCustomContext("instructions", xsimd::default_arch::name());
  char const* const tunables = std::getenv("GLIBC_TUNABLES");
  benchmark::AddCustomContext("GLIBC_TUNABLES", tunables != nullptr ? tunables : "");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
