#pragma once
#include "mlot/primitive/vocabulary_mass.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
/// The first logit of a row that is NaN or +inf, as a fault; `row` is known to have one.
template <real T, storage S>
status unusable_logit(matrix_view<S const, host_memory> logits, index_t row) {
  for (index_t v = 0; v < logits.cols; ++v)
    if (T const z = load_as<T>(logits(row, v)); !(z < infinity<T>))
      return {fault::data, "vocabulary_mass.logits", "finite or -inf", as_double(z), row, v};
  return {};
}

template <real T, storage S>
status run(device, vocabulary_mass<T, S, host_memory> const& p, workspace<host_memory>) {
  index_t const vocabulary = p.logits.cols;
  int const temperatures = p.temperatures();
  for (int c = 0; c < temperatures; ++c)
    if (auto const& mass = p.at[c].mass; mass.data != nullptr)
      for (index_t b = 0; b < mass.rows; ++b)
        for (index_t v = 0; v < vocabulary; ++v) mass(b, v) = T(0);
  for (index_t b = 0; b < p.tokens.sequences(); ++b)
    for (index_t i = p.tokens.offset(b); i < p.tokens.offset(b + 1); ++i) {
      index_t const r = p.tokens.row(i);
      auto const logit = [&](index_t v) { return load_as<T>(p.logits(r, v)); };
      T top = -infinity<T>;
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v) {
        T const z = logit(v);
        if (!(z < infinity<T>)) return unusable_logit<T>(p.logits, r);
        if (z > top) top = z;
      }
      p.maximum(i) = top;
      for (int c = 0; c < temperatures; ++c) {
        tempered_mass<T, host_memory> const& out = p.at[c];
        T const inverse = T(1) / out.temperature(i);
        auto const weight = [&](index_t v) {
          T const z = logit(v);
          return z > -infinity<T> ? p.weight(z, top, inverse) : T(0);
        };
        wide_t<T> sum(0);
        if (top > -infinity<T>)
          for (index_t v = 0; v < vocabulary; ++v) sum += weight(v);
        out.partition(i) = T(sum);
        if (out.mass.data == nullptr || top == -infinity<T>) continue;
        for (index_t v = 0; v < vocabulary; ++v) out.mass(b, v) += weight(v) / out.partition(i);
      }
    }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
