// Probabilities of 50 columns and their logarithms. Items: entries. Bytes: a table read, two
// written.
#include "model.hpp"

namespace {
/// The "vocabulary" is the columns alone, the sums over it are arbitrary.
template <class T>
struct probabilities_case : bench::model<T> {
  using shape = bench::logits_shape;
  bench::array<T> probability = bench::array<T>(this->logits.size()), log_probability = probability;
  using bench::model<T>::model;

  auto steps() {
    auto const table = [&](auto& of) { return bench::view(of, this->rows, this->vocabulary); };
    return std::tuple(mlot::column_probabilities<T, mlot::host_memory>{
        .logits = this->logits_view(),
        .maximum = bench::view(this->maximum),
        .partition = bench::view(this->partition),
        .probability = table(probability),
        .log_probability = table(log_probability)});
  }
  auto results() { return std::tie(probability, log_probability); }
  auto items() const { return this->rows * this->vocabulary; }
  double bytes() const { return 3.0 * double(items()) * sizeof(T); }
};

template <class T>
void column_probabilities(benchmark::State& state) {
  bench::measure<probabilities_case<T>>(state, {state.range(0), bench::columns_kept});
}
void row_counts(auto* benchmark) {
  benchmark->ArgName("rows")->Arg(1)->Arg(16)->Arg(256)->Arg(4096)->UseRealTime();
}
BENCHMARK_TEMPLATE(column_probabilities, float)->Apply(row_counts);
BENCHMARK_TEMPLATE(column_probabilities, double)->Apply(row_counts);
}  // namespace
