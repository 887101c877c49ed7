#pragma once
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
/// Token i's gradient row without its sparse entries: sum over c of
/// coefficient[c] exp((z - maximum) inverse_temperature[c]).
template <real T>
struct dense_part {
  T coefficient[3]{}, inverse_temperature[3]{};
  int count = 0;

  void add(T const& temperature, T const& partition, T const& weight) {
    T const inverse = T(1) / temperature, scaled = partition > T(0) ? T(weight / partition) : T(0);
    for (int c = 0; c < count; ++c)
      if (inverse_temperature[c] == inverse) {
        coefficient[c] += scaled;
        return;
      }
    inverse_temperature[count] = inverse;
    coefficient[count++] = scaled;
  }
};

template <real T, storage S, storage G>
dense_part<T> dense_part_of(logit_gradient<T, S, G, host_memory> const& p, int sets, index_t i) {
  dense_part<T> dense;
  for (int c = 0; c < sets; ++c) {
    column_gradient<T, host_memory> const& from = p.columns[c];
    wide_t<T> sum(0);
    for (index_t l = 0; l < from.ids.cols; ++l) sum += from.at(i, l);
    T const tau = from.temperature(i);
    dense.add(tau, from.partition(i), T(-T(sum) / tau));
  }
  if (p.labels.counts(p.tokens.row(i)))
    dense.add(T(1), p.label_partition(i), p.cross_entropy_weight);
  return dense;
}

/// Adds token i's sparse entries to its row, after the dense part. A masked entry stays 0;
/// `logits` may share memory with the gradient: `label_is_masked` was found before.
template <real T, storage S, storage G>
void add_sparse_part(logit_gradient<T, S, G, host_memory> const& p, index_t b, index_t i,
                     bool label_is_masked) {
  index_t const r = p.tokens.row(i);
  auto const add = [&](index_t v, T const& x) {
    p.gradient(r, v) = store_as<G>(T(load_as<T>(p.gradient(r, v)) + x));
  };
  for (int c = 0; c < p.column_gradients(); ++c) {
    column_gradient<T, host_memory> const& from = p.columns[c];
    T const tau = from.temperature(i);
    for (index_t l = 0; l < from.ids.cols; ++l)
      if (index_t const v = from.ids(b, l); v >= 0) add(v, T(from.at(i, l) / tau));
  }
  if (p.labels.counts(r) && !label_is_masked) add(p.labels.label(r), T(-p.cross_entropy_weight));
}

template <real T, storage S, storage G>
bool label_is_masked(logit_gradient<T, S, G, host_memory> const& p, index_t r) {
  return p.labels.counts(r) && load_as<T>(p.logits(r, p.labels.label(r))) == -infinity<T>;
}

/// Calls fill(r) for every row of a matrix with `rows` rows that is no token of `tokens`.
template <class Fill>
void for_rows_without_token(token_rows<host_memory> const& tokens, index_t rows, Fill fill) {
  index_t next = 0;
  for (index_t i = 0; i <= tokens.tokens(); ++i) {
    index_t const r = i < tokens.tokens() ? tokens.row(i) : rows;
    if (r < 0) continue;
    for (; next < r; ++next) fill(next);
    next = r + 1;
  }
}

template <real T, storage S, storage G>
status run(device, logit_gradient<T, S, G, host_memory> const& p, workspace<host_memory>) {
  index_t const vocabulary = p.logits.cols;
  int const sets = p.column_gradients();
  for (index_t b = 0; b < p.tokens.sequences(); ++b)
    for (index_t i = p.tokens.offset(b); i < p.tokens.offset(b + 1); ++i) {
      index_t const r = p.tokens.row(i);
      if (r < 0) continue;
      dense_part<T> const dense = dense_part_of(p, sets, i);
      bool const masked = label_is_masked(p, r);
      T const top = p.maximum(i);
      for (index_t v = 0; v < vocabulary; ++v) {
        T const z = load_as<T>(p.logits(r, v));
        T sum(0);
        for (int c = 0; c < dense.count && z > -infinity<T>; ++c)
          sum += dense.coefficient[c] *
                 vocabulary_mass<T, S, host_memory>::weight(z, top, dense.inverse_temperature[c]);
        p.gradient(r, v) = store_as<G>(sum);
      }
      add_sparse_part(p, b, i, masked);
    }
  for_rows_without_token(p.tokens, p.logits.rows, [&](index_t r) {
    for (index_t v = 0; v < vocabulary; ++v) p.gradient(r, v) = store_as<G>(T(0));
  });
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
