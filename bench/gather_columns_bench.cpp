// The logits of 50 columns. Items: logits picked. Bytes: one cache line read for each, and the
// table written.
#include "model.hpp"
using mlot::bfloat16, mlot::half;

namespace {
template <class S>
struct gather_case : bench::model<S> {
  using shape = bench::logits_shape;
  using T = typename bench::model<S>::T;
  static constexpr bench::index_t k = bench::columns_kept;
  bench::array<bench::index_t> ids = bench::random_labels(k, this->vocabulary, 2);
  bench::array<T> table = bench::array<T>(this->rows * k);
  using bench::model<S>::model;

  auto steps() {
    return std::tuple(
        mlot::gather_columns<T, S, mlot::host_memory>{.logits = this->logits_view(),
                                                      .tokens = this->tokens,
                                                      .ids = bench::view(ids, 1, k),
                                                      .table = bench::view(table, this->rows, k)});
  }
  auto results() { return std::tie(table); }
  auto items() const { return this->rows * k; }
  double bytes() const { return double(items()) * double(64 + sizeof(T)); }
};

template <class S>
void gather_columns(benchmark::State& state) {
  bench::measure<gather_case<S>>(state, bench::logits_shape_of(state));
}
BENCHMARK_TEMPLATE(gather_columns, float)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(gather_columns, half)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(gather_columns, bfloat16)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(gather_columns, double)->Apply(bench::logits_shapes);
}  // namespace
