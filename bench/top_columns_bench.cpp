// The 50 ids of largest mass of each of some sequences. Items: masses. Bytes: masses read.
#include "model.hpp"

namespace {
template <class T>
struct top_case {
  using shape = bench::logits_shape;
  bench::index_t sequences, vocabulary, k = bench::columns_kept;
  bench::array<T> mass = bench::random_probabilities<T>(sequences, vocabulary, 1);
  bench::array<bench::index_t> ids = bench::array<bench::index_t>(sequences * k);
  explicit top_case(shape s) : sequences(s.rows), vocabulary(s.vocabulary) {}
  auto steps() {
    return std::tuple(mlot::top_columns<T, mlot::host_memory>{
        .mass = bench::view(mass, sequences, vocabulary), .ids = bench::view(ids, sequences, k)});
  }
  auto results() { return std::tie(ids); }
  auto items() const { return sequences * vocabulary; }
  double bytes() const { return double(mass.size() * sizeof(T)); }
};

template <class T>
void top_columns(benchmark::State& state) {
  bench::measure<top_case<T>>(state, bench::logits_shape_of(state));
}
BENCHMARK_TEMPLATE(top_columns, float)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(top_columns, double)->Apply(bench::logits_shapes);
}  // namespace
