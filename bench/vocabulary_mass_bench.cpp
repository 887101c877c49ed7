// The pass over the vocabulary. Items: logits. Bytes: logits read, mass written.
#include "model.hpp"
using mlot::bfloat16, mlot::half;

namespace {
template <class S>
struct mass_case : bench::model<S> {
  using shape = bench::logits_shape;
  using bench::model<S>::model;
  auto steps() { return std::tuple(this->sums()); }
  auto results() {
    return std::tie(this->maximum, this->partition, this->soft_partition, this->mass);
  }
  auto items() const { return this->rows * this->vocabulary; }
  double bytes() const {
    return double(this->logits.size() * sizeof(S) + this->mass.size() * sizeof(this->mass[0]));
  }
};

template <class S>
void vocabulary_mass(benchmark::State& state) {
  bench::measure<mass_case<S>>(state, bench::logits_shape_of(state));
}
BENCHMARK_TEMPLATE(vocabulary_mass, float)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(vocabulary_mass, half)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(vocabulary_mass, bfloat16)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(vocabulary_mass, double)->Apply(bench::logits_shapes);
}  // namespace
