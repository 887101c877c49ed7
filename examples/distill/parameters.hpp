#pragma once
#include "distill/types.hpp"
namespace distill {
/// All numbers that a model learns, and their gradients, each in one flat array: the optimiser and
/// the gradient check need to know nothing of layers.
template <class T>
class parameters {
 public:
  struct tensor {
    index_t first, rows, cols;
  };
  using view = Eigen::Map<matrix<T>>;

  tensor add(index_t rows, index_t cols) {
    tensor const out = {index_t(values_.size()), rows, cols};
    values_.resize(values_.size() + std::size_t(rows * cols));
    gradients_.resize(values_.size());
    return out;
  }
  view value(tensor const& t) { return {values_.data() + t.first, t.rows, t.cols}; }
  view gradient(tensor const& t) { return {gradients_.data() + t.first, t.rows, t.cols}; }
  std::span<T> values() { return values_; }
  std::span<T> gradients() { return gradients_; }

 private:
  // Eigen peels loops up to aligned addresses, which decides the order of sums: without a fixed
  // alignment the same run would not give the same bits twice.
  std::vector<T, Eigen::aligned_allocator<T>> values_, gradients_;
};
}  // namespace distill
