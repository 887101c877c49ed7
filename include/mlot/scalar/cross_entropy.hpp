#pragma once
#include <cmath>

#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, storage S>
status run(device, cross_entropy<T, S, host_memory> const& p, workspace<host_memory>) {
  using std::log;
  for (index_t b = 0; b < p.tokens.sequences(); ++b) {
    wide_t<T> sum(0);
    for (index_t i = p.tokens.offset(b); i < p.tokens.offset(b + 1); ++i) {
      index_t const r = p.tokens.row(i);
      if (!p.labels.counts(r)) continue;
      T const z = load_as<T>(p.logits(r, p.labels.label(r)));
      if (z == -infinity<T>)
        sum += infinity<T>;
      else
        sum += T(log(p.partition(i)) - (z - p.maximum(i)));
    }
    p.out(b) = T(sum);
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
