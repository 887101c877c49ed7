// From the columns' gradients and the labels to dL/dlogits, as the loss does: two softmaxes. Items:
// logits. Bytes: logits read, gradient written.
#include "model.hpp"
using mlot::bfloat16, mlot::half;

namespace {
template <class S>
struct gradient_case {
  using shape = bench::logits_shape;
  using T = mlot::accumulator_t<S>;
  static constexpr bench::index_t k = bench::columns_kept;
  bench::model<S> model;
  bench::array<bench::index_t> labels, ids;
  bench::array<T> probability, table_gradient, log_gradient, transport_gradient;
  bench::array<S> gradient;

  explicit gradient_case(shape s)
      : model(s),
        labels(bench::random_labels(s.rows, s.vocabulary, 2)),
        ids(bench::random_labels(k, s.vocabulary, 3)),
        probability(bench::random_probabilities<T>(s.rows, k, 4)),
        table_gradient(bench::random_numbers<T>(s.rows * k, 5)),
        log_gradient(bench::random_numbers<T>(s.rows * k, 6)),
        transport_gradient(bench::random_numbers<T>(s.rows * k, 7)),
        gradient(model.logits.size()) {
    bench::prepare(model.sums());
  }
  auto steps() {
    auto const table = [&](auto& of) { return bench::view(of, model.rows, k); };
    return std::tuple(mlot::logit_gradient<T, S, S, mlot::host_memory>{
        .logits = model.logits_view(),
        .tokens = model.tokens,
        .maximum = bench::view(model.maximum),
        .columns = {{.temperature = T(1),
                     .partition = bench::view(model.partition),
                     .ids = bench::view(ids, 1, k),
                     .probability = table(probability),
                     .table_gradient = table(table_gradient),
                     .log_gradient = table(log_gradient)},
                    {.temperature = T(2),
                     .partition = bench::view(model.soft_partition),
                     .ids = bench::view(ids, 1, k),
                     .log_gradient = table(transport_gradient)}},
        .labels = {.label = bench::view(labels)},
        .label_partition = bench::view(model.partition),
        .gradient = bench::view(gradient, model.rows, model.vocabulary)});
  }
  auto results() { return std::tie(gradient); }
  auto items() const { return model.rows * model.vocabulary; }
  double bytes() const { return double(2 * gradient.size() * sizeof(S)); }
};

template <class S>
void logit_gradient(benchmark::State& state) {
  bench::measure<gradient_case<S>>(state, bench::logits_shape_of(state));
}
BENCHMARK_TEMPLATE(logit_gradient, float)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(logit_gradient, half)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(logit_gradient, bfloat16)->Apply(bench::logits_shapes);
BENCHMARK_TEMPLATE(logit_gradient, double)->Apply(bench::logits_shapes);
}  // namespace
