#pragma once
#include <algorithm>

#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// Writes sum over c of coefficient[c] exp((z - top) inverse_temperature[c]) over a row. One exp
/// serves two temperatures when one is twice the other.
template <class Batch, class T, storage S, storage G>
void dense_row(dense_part<T> const& dense, T top, S const* logits, G* gradient, index_t size) {
  Batch const tops(top);
  auto const each = [&](auto sum_of) {
    for_lanes<Batch>(size, [&](index_t v, auto which) {
      Batch const z = load_lanes<Batch>(logits + v, which, -infinity<T>);
      store_lanes(gradient + v, Batch(sum_of(Batch(z - tops))), which);
    });
  };
  auto const coefficient = [&](int c) { return Batch(dense.coefficient[c]); };
  auto const inverse = [&](int c) { return Batch(dense.inverse_temperature[c]); };
  if (dense.count == 0 || top == -infinity<T>) {
    std::fill_n(gradient, size, store_as<G>(T(0)));
  } else if (dense.count == 1) {
    Batch const c0 = coefficient(0), i0 = inverse(0);
    each([&](Batch const& x) { return c0 * xsimd::exp(x * i0); });
  } else if (dense.count == 2 &&
             (dense.inverse_temperature[0] == 2 * dense.inverse_temperature[1] ||
              dense.inverse_temperature[1] == 2 * dense.inverse_temperature[0])) {
    int const hot = dense.inverse_temperature[0] < dense.inverse_temperature[1] ? 0 : 1;
    Batch const c1 = coefficient(hot), c2 = coefficient(1 - hot), i1 = inverse(hot);
    each([&](Batch const& x) {
      Batch const e = xsimd::exp(x * i1);
      return (c2 * e + c1) * e;
    });
  } else {
    each([&](Batch const& x) {
      Batch sum(T(0));
      for (int c = 0; c < dense.count; ++c) sum += coefficient(c) * xsimd::exp(x * inverse(c));
      return sum;
    });
  }
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
