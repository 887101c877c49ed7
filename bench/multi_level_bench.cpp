// The whole loss, forward and backward, against the bytes that it cannot avoid. Each case first
// checks the simd device against the scalar one; the copy bandwidth of the same run is the limit.
#include <benchmark/benchmark.h>

#include <cmath>
#include <mlot/interop/owned.hpp>
#include <mlot/simd.hpp>
#include <random>
#include <vector>
#ifdef _OPENMP
#  include <omp.h>
#endif
#ifndef NDEBUG
#  error "bench: build with NDEBUG; a Debug build measures nothing"
#endif
using namespace mlot;

namespace {
struct batch {
  index_t sequences, length, m, n;
  std::vector<float> teacher, student, gradient, terms = std::vector<float>(5);
  std::vector<index_t> labels;
  owned_token_rows tokens;

  batch(index_t b, index_t t, index_t teacher_vocabulary, index_t student_vocabulary)
      : sequences(b), length(t), m(teacher_vocabulary), n(student_vocabulary) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal(0, 2);
    std::vector<float> noise(1 << 20);
    for (float& x : noise) x = normal(generator);
    auto const fill = [&](std::vector<float>& logits, index_t size, std::size_t step) {
      logits.resize(std::size_t(size));
      for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = noise[i * step % noise.size()];
    };
    fill(teacher, b * t * m, 7);
    fill(student, b * t * n, 5);
    gradient.resize(student.size());
    labels.assign(std::size_t(b * t), 5);
    std::vector<index_t> ends;
    for (index_t i = 0; i <= b; ++i) ends.push_back(i * t);
    if (!tokens.from_offsets({ends.data(), b + 1}).ok()) std::abort();
  }
  multi_level<float> loss() {
    index_t const rows = sequences * length;
    return {.teacher_logits = {teacher.data(), rows, m, m},
            .teacher_tokens = tokens,
            .student_logits = {student.data(), rows, n, n},
            .student_tokens = tokens,
            .labels = {.label = {labels.data(), rows}},
            .terms = {terms.data(), 5},
            .gradient = {gradient.data(), rows, n, n}};
  }
  /// One read of the teacher, two of the student, one write of the gradient.
  double bytes() const { return 4.0 * double(teacher.size() + 3 * student.size()); }
};

void multi_level_loss(benchmark::State& state) {
  batch all(state.range(0), state.range(1), state.range(2), state.range(3));
  scratch_buffer scratch;
  auto const compute_on = [&](auto device) {
    auto const loss = all.loss();
    return compute(device, loss, scratch.for_call(device, loss)).ok();
  };
  if (!compute_on(on::scalar{})) return state.SkipWithError("the scalar device refused");
  auto const wanted = all.gradient;
  auto const wanted_total = all.terms[multi_level_term::total];
  if (!compute_on(on::simd<>{})) return state.SkipWithError("the simd device refused");
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += std::pow(double(all.gradient[i]) - double(wanted[i]), 2);
    norm += std::pow(double(wanted[i]), 2);
  }
  if (!(error <= 1e-10 * norm &&
        std::fabs(all.terms[multi_level_term::total] - wanted_total) <= 1e-5f * wanted_total))
    return state.SkipWithError("the simd device disagrees with the scalar one");

  for (auto _ : state) benchmark::DoNotOptimize(compute_on(on::simd<>{}));
  state.counters["GB/s"] = benchmark::Counter(all.bytes() * 1e-9 * double(state.iterations()),
                                              benchmark::Counter::kIsRate);
  state.SetItemsProcessed(state.iterations() * all.sequences * all.length);
}
BENCHMARK(multi_level_loss)
    ->ArgNames({"B", "T", "m", "n"})
    ->Args({1, 64, 32000, 50272})
    ->Args({1, 256, 32000, 50272})
    ->Args({1, 128, 128256, 151936})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// The limit of the same run: reading one array and writing another, far larger than any cache.
void copy(benchmark::State& state) {
  std::vector<float> from(std::size_t(1) << 26, 1.0f), to(from.size());
  for (auto _ : state) {
#pragma omp parallel for
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i] + 1;
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(
      8e-9 * double(from.size()) * double(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(copy)->Unit(benchmark::kMillisecond)->UseRealTime();
}  // namespace
