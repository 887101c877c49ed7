#pragma once
#include <algorithm>

#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// Writes sum over c of coefficient[c] exp((z - top) inverse_temperature[c]) over a row.
template <class Batch, class T, storage S, storage G>
void dense_row(dense_part<T> const& dense, T top, S const* logits, G* gradient, index_t size) {
  if (dense.count == 0 || top == -infinity<T>) {
    std::fill_n(gradient, size, store_as<G>(T(0)));
    return;
  }
  Batch const coefficient[3] = {Batch(dense.coefficient[0]), Batch(dense.coefficient[1]),
                                Batch(dense.coefficient[2])};
  for_exponentials<Batch>(logits, size, top, dense.inverse_temperature, dense.count,
                          [&]<int N>(index_t v, auto which, Batch const(&e)[N]) {
                            Batch sum = coefficient[0] * e[0];
                            for (int c = 1; c < N; ++c) sum += coefficient[c] * e[c];
                            store_lanes(gradient + v, sum, which);
                          });
}

template <class Arch, has_lanes T, storage S, storage G>
status run(simd<Arch>, logit_gradient<T, S, G, host_memory> const& p,
           workspace<host_memory> scratch) {
  if (p.logits.col_stride != 1 || p.gradient.col_stride != 1) return run(scalar{}, p, scratch);
  index_t const vocabulary = p.logits.cols;
  for (index_t b = 0; b < p.tokens.sequences(); ++b)
    parallel_for(p.tokens.count(b), 1, [&](index_t t) {
      index_t const i = p.tokens.offset(b) + t, r = p.tokens.row(i);
      if (r < 0) return;
      bool const masked = label_is_masked(p, r);
      dense_row<lanes_of<T, Arch>>(dense_part_of(p, i), p.maximum(i), &p.logits(r, 0),
                                   &p.gradient(r, 0), vocabulary);
      add_sparse_part(p, b, i, masked);
    });
  for_rows_without_token(p.tokens, p.logits.rows, [&](index_t r) {
    std::fill_n(&p.gradient(r, 0), vocabulary, store_as<G>(T(0)));
  });
  return {};
}
}  // namespace mlot::on
