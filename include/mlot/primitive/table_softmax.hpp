#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// Softmax over the columns of every row of a small dense table:
///
///   probability(i, l) = exp(x(i, l) / temperature) / sum_q exp(x(i, q) / temperature)
///
/// Finite for finite x. Accuracy: float 1e-6, double 1e-14: tests/primitive/table_softmax_test.cpp.
/// Source: the authors' code soft-maxes kept probabilities again (loss/reference_code.hpp).
template <real T, class Memory>
struct table_softmax {
  using memory = Memory;
  matrix_view<T const, Memory> table{};      ///< (rows, K) x, finite
  T temperature = T(1);                      ///< above 0
  matrix_view<T, Memory> probability{};      ///< (rows, K) written; no memory: not wanted
  matrix_view<T, Memory> log_probability{};  ///< (rows, K) written; no memory: not wanted

  constexpr status check() const {
    return requirement()
        .usable("table_softmax.table", table)
        .temperature("table_softmax.temperature", temperature)
        .optional("table_softmax.probability", probability, table.rows, table.cols,
                  "the shape of table")
        .optional("table_softmax.log_probability", log_probability, table.rows, table.cols,
                  "the shape of table")
        .answer();
  }
};

/// Adds to `gradient` the gradient with respect to x, given `upstream`, u = dF / dprobability:
///
///   gradient(i, l) += (weight / temperature) p(i, l) (u(i, l) - sum_q p(i, q) u(i, q))
template <real T, class Memory>
struct table_softmax_gradient {
  using memory = Memory;
  matrix_view<T const, Memory> probability{};  ///< (rows, K) p
  matrix_view<T const, Memory> upstream{};     ///< (rows, K)
  T temperature = T(1);
  T weight = T(1);
  matrix_view<T, Memory> gradient{};  ///< (rows, K) added to

  constexpr status check() const {
    return requirement()
        .usable("table_softmax_gradient.probability", probability)
        .temperature("table_softmax_gradient.temperature", temperature)
        .finite("table_softmax_gradient.weight", weight)
        .matrix("table_softmax_gradient.upstream", upstream, probability.rows, probability.cols,
                "the shape of probability")
        .matrix("table_softmax_gradient.gradient", gradient, probability.rows, probability.cols,
                "the shape of probability")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
