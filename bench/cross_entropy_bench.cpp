// One label a row, from sums that are there already. Items: rows. Bytes: one cache line of logits
// and two numbers a row.
#include "model.hpp"
using mlot::bfloat16, mlot::half;

namespace {
template <class S>
struct cross_entropy_case : bench::model<S> {
  using shape = bench::logits_shape;
  using T = typename bench::model<S>::T;
  bench::array<bench::index_t> labels = bench::random_labels(this->rows, this->vocabulary, 2);
  bench::array<T> out = bench::array<T>(1);
  using bench::model<S>::model;

  auto steps() {
    return std::tuple(
        mlot::cross_entropy<T, S, mlot::host_memory>{.logits = this->logits_view(),
                                                     .tokens = this->tokens,
                                                     .labels = {.label = bench::view(labels)},
                                                     .maximum = bench::view(this->maximum),
                                                     .partition = bench::view(this->partition),
                                                     .out = bench::view(out)});
  }
  auto results() { return std::tie(out); }
  auto items() const { return this->rows; }
  double bytes() const { return double(this->rows) * double(64 + 2 * sizeof(T)); }
};

template <class S>
void cross_entropy(benchmark::State& state) {
  bench::measure<cross_entropy_case<S>>(state, bench::logits_shape_of(state));
}
BENCHMARK_TEMPLATE(cross_entropy, float)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(cross_entropy, half)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(cross_entropy, bfloat16)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(cross_entropy, double)->Apply(bench::logits_shapes);
}  // namespace
