// The whole loss, forward and backward, against the bytes that it cannot avoid. Items: tokens.
#include "loss_batch.hpp"
using mlot::bfloat16, mlot::column_matching;

namespace {
template <class S, column_matching Matching = column_matching::rank>
struct loss_case : bench::loss_batch<S> {
  using T = typename bench::loss_batch<S>::T;
  using bench::loss_batch<S>::loss_batch;
  auto loss() {
    auto& own = *this;
    return mlot::multi_level<T, S, S>{
        .teacher_logits = bench::view(own.teacher, own.rows, own.of.m),
        .teacher_tokens = own.tokens,
        .student_logits = bench::view(own.student, own.rows, own.of.n),
        .student_tokens = own.tokens,
        .labels = {.label = bench::view(own.labels)},
        .options = {.matching = Matching},
        .terms = bench::view(own.terms),
        .gradient = bench::view(own.gradient, own.rows, own.of.n)};
  }
  auto steps() { return std::tuple(loss()); }

  /// workspace: its bytes over those of one of the student's mass vectors. mass_vectors: by how
  /// many such vectors a sequence it grows with both vocabularies, which leaves the tables out.
  /// token_id_elements: by how many elements a token that growth itself grows with the length;
  /// above 0, something of the size of the logits is kept.
  void count_memory(benchmark::State& state) {
    bench::index_t const length = this->of.length;
    double const sequences = double(this->of.sequences), vectors = growth(length) / sequences;
    state.counters["workspace"] = scratch(length, 0) / double(this->of.n);
    state.counters["mass_vectors"] = vectors;
    state.counters["token_id_elements"] =
        (growth(2 * length) / sequences - vectors) / double(length);
  }

 private:
  /// Elements of T in a workspace for that many tokens a sequence, and vocabularies of `more` ids
  /// more. Only shapes matter to it, so that the views need no memory behind them.
  double scratch(bench::index_t length, bench::index_t more) {
    auto const longer = bench::equal_sequences(this->of.sequences, length);
    auto grown = loss();
    grown.teacher_tokens = grown.student_tokens = longer;
    grown.teacher_logits.rows = grown.student_logits.rows = longer.view().tokens();
    grown.teacher_logits.cols += more;
    grown.student_logits.cols += more;
    return double(mlot::workspace_size(mlot::on::simd<>{}, grown)) / double(sizeof(T));
  }
  /// The same an id of both vocabularies.
  double growth(bench::index_t length) {
    bench::index_t const more = 1 << 16;
    return (scratch(length, more) - scratch(length, 0)) / double(more);
  }
};

template <class S>
void multi_level(benchmark::State& state) {
  auto& one = bench::measure<loss_case<S>>(state, bench::loss_shape_of(state));
  one.count_floor(state);
  one.count_memory(state);
}
BENCHMARK_TEMPLATE(multi_level, float)->Apply(bench::loss_shapes);
BENCHMARK_TEMPLATE(multi_level, bfloat16)->Apply(bench::loss_shapes);

/// Columns matched by their probabilities. The scalar device compares every id with every column,
/// so that a smaller batch is checked.
template <column_matching Matching>
void matched(benchmark::State& state) {
  bench::loss_shape const checked{.sequences = 2, .length = 24, .m = 900, .n = 1400};
  auto& one =
      bench::measure<loss_case<float, Matching>>(state, bench::loss_shape_of(state), checked);
  one.count_floor(state);
}
BENCHMARK_TEMPLATE(matched, column_matching::greedy)->Apply(bench::loss_shapes);
BENCHMARK_TEMPLATE(matched, column_matching::exact)->Apply(bench::loss_shapes);
}  // namespace
