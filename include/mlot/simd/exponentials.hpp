#pragma once
#include <type_traits>

#include "mlot/simd/lanes.hpp"
namespace mlot::on {
/// exp((z - top) inverse[c]) for a row of logits at `count` temperatures (1 to 3): calls
/// body(offset, which, e) batch by batch, with e[c]; lanes outside the row are 0. One exponential
/// serves two temperatures when one is twice the other.
template <class Batch, class T, storage S, class Body>
void for_exponentials(S const* row, index_t size, T top, T const (&inverse)[3], int count,
                      Body body) {
  Batch const tops(top);
  auto const each = [&]<int N>(std::integral_constant<int, N>, auto fill) {
    for_lanes<Batch>(size, [&](index_t v, auto which) {
      Batch e[N];
      fill(Batch(load_lanes<Batch>(row + v, which, -infinity<T>) - tops), e);
      body(v, which, e);
    });
  };
  Batch const i0(inverse[0]), i1(inverse[1]), i2(inverse[2]);
  if (count == 1)
    each(std::integral_constant<int, 1>{},
         [&](Batch const& x, auto& e) { e[0] = xsimd::exp(x * i0); });
  else if (count == 2 && inverse[0] == 2 * inverse[1])
    each(std::integral_constant<int, 2>{}, [&](Batch const& x, auto& e) {
      e[1] = xsimd::exp(x * i1);
      e[0] = e[1] * e[1];
    });
  else if (count == 2 && inverse[1] == 2 * inverse[0])
    each(std::integral_constant<int, 2>{}, [&](Batch const& x, auto& e) {
      e[0] = xsimd::exp(x * i0);
      e[1] = e[0] * e[0];
    });
  else if (count == 2)
    each(std::integral_constant<int, 2>{}, [&](Batch const& x, auto& e) {
      e[0] = xsimd::exp(x * i0);
      e[1] = xsimd::exp(x * i1);
    });
  else
    each(std::integral_constant<int, 3>{}, [&](Batch const& x, auto& e) {
      e[0] = xsimd::exp(x * i0);
      e[1] = xsimd::exp(x * i1);
      e[2] = xsimd::exp(x * i2);
    });
}
}  // namespace mlot::on
