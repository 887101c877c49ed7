#pragma once
#include <cmath>

#include "mlot/primitive/table_softmax.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T>
status run(device, table_softmax<T, host_memory> const& p, workspace<host_memory>) {
  using std::exp, std::log;
  for (index_t i = 0; i < p.table.rows; ++i) {
    T top = -infinity<T>;
    for (index_t l = 0; l < p.table.cols; ++l)
      if (p.table(i, l) > top) top = p.table(i, l);
    wide_t<T> sum(0);
    for (index_t l = 0; l < p.table.cols; ++l)
      sum += T(exp(T((p.table(i, l) - top) / p.temperature)));
    T const partition = T(sum), log_partition = T(log(partition));
    for (index_t l = 0; l < p.table.cols; ++l) {
      T const exponent = (p.table(i, l) - top) / p.temperature;
      if (p.probability.data != nullptr) p.probability(i, l) = T(exp(exponent)) / partition;
      if (p.log_probability.data != nullptr) p.log_probability(i, l) = exponent - log_partition;
    }
  }
  return {};
}

template <real T>
status run(device, table_softmax_gradient<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t i = 0; i < p.probability.rows; ++i) {
    wide_t<T> expected(0);
    for (index_t l = 0; l < p.probability.cols; ++l)
      expected += T(p.probability(i, l) * p.upstream(i, l));
    for (index_t l = 0; l < p.probability.cols; ++l)
      p.gradient(i, l) +=
          p.weight / p.temperature * p.probability(i, l) * (p.upstream(i, l) - T(expected));
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
