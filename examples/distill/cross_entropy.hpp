#pragma once
#include <cmath>

#include "distill/types.hpp"
namespace distill {
/// What an engine has before it meets mlot: mean cross-entropy of rows of logits (R, V) against
/// labels (R), and its gradient.
template <class T>
double cross_entropy(matrix<T> const& logits, std::span<index_t const> labels,
                     matrix<T>& gradient) {
  T const share = T(1) / static_cast<T>(logits.rows());
  double total = 0;
  gradient.resize(logits.rows(), logits.cols());
  for (index_t row = 0; row < logits.rows(); ++row) {
    auto const z = logits.row(row).array();
    auto g = gradient.row(row).array();
    index_t const label = labels[std::size_t(row)];
    T const top = z.maxCoeff();
    g = (z - top).exp();
    T const partition = g.sum();
    total += std::log(double(partition)) - double(z(label) - top);
    g *= share / partition;
    g(label) -= share;
  }
  return total / double(logits.rows());
}
}  // namespace distill
