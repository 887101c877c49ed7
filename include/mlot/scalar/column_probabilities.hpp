#pragma once
#include <cmath>

#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, real From>
status run(device, column_probabilities<T, host_memory, From> const& p, workspace<host_memory>) {
  using std::exp, std::log;
  for (index_t i = 0; i < p.logits.rows; ++i) {
    T const tau = p.temperature(i), top = T(p.maximum(i)), partition = T(p.partition(i));
    T const log_partition = T(log(partition));
    for (index_t l = 0; l < p.logits.cols; ++l) {
      T const z = T(p.logits(i, l));
      bool const lacks = z == -infinity<T>;
      T const exponent = lacks ? -infinity<T> : T((z - top) / tau);
      if (p.probability.data != nullptr)
        p.probability(i, l) = lacks ? T(0) : T(exp(exponent) / partition);
      if (p.log_probability.data != nullptr)
        p.log_probability(i, l) = lacks ? -infinity<T> : T(exponent - log_partition);
    }
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
