#pragma once
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T>
status run(device, sequence_totals<T, host_memory> const& p, workspace<host_memory>) {
  constexpr int terms = sequence_totals<T, host_memory>::terms_of_a_sequence;
  T total(0);
  for (int c = 0; c < terms; ++c) {
    wide_t<T> sum(0);
    for (index_t b = 0; b < p.terms.rows; ++b)
      if (p.weight[c](b) != T(0)) sum += T(p.weight[c](b) * p.terms(b, c));
    p.out(c) = T(sum);
    if (p.total_weight[c] != T(0)) total += p.total_weight[c] * p.out(c);
  }
  p.out(terms) = total;
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
