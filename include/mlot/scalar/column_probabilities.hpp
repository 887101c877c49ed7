#pragma once
#include <cmath>

#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
template <real T>
status run(scalar, column_probabilities<T, host_memory> const& p, workspace<host_memory>) {
  using std::exp, std::log;
  for (index_t i = 0; i < p.logits.rows; ++i) {
    T const tau = p.temperature(i), log_partition = T(log(p.partition(i)));
    for (index_t l = 0; l < p.logits.cols; ++l) {
      T const z = p.logits(i, l);
      bool const lacks = z == -infinity<T>;
      T const exponent = lacks ? -infinity<T> : T((z - p.maximum(i)) / tau);
      if (p.probability.data != nullptr)
        p.probability(i, l) = lacks ? T(0) : T(exp(exponent) / p.partition(i));
      if (p.log_probability.data != nullptr)
        p.log_probability(i, l) = lacks ? -infinity<T> : T(exponent - log_partition);
    }
  }
  return {};
}
}  // namespace mlot::on
