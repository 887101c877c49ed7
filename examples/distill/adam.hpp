#pragma once
#include <cmath>

#include "distill/parameters.hpp"
namespace distill {
/// Adam (Kingma and Ba, 2015) with bias correction.
template <class T>
class adam {
 public:
  explicit adam(index_t size) : mean_(array::Zero(size)), square_(array::Zero(size)) {}

  void step(parameters<T>& p, double rate) {
    ++steps_;
    Eigen::Map<array> value(p.values().data(), mean_.size());
    Eigen::Map<array const> const gradient(p.gradients().data(), mean_.size());
    mean_ += T(1 - decay_mean) * (gradient - mean_);
    square_ += T(1 - decay_square) * (gradient.square() - square_);
    double const unbias_mean = 1 - std::pow(decay_mean, steps_);
    double const unbias_square = 1 - std::pow(decay_square, steps_);
    value -= T(rate / unbias_mean) * mean_ /
             ((square_ * T(1 / unbias_square)).sqrt() + T(smallest_deviation));
  }

 private:
  using array = Eigen::Array<T, Eigen::Dynamic, 1>;
  static constexpr double decay_mean = 0.9, decay_square = 0.99, smallest_deviation = 1e-8;
  array mean_, square_;
  int steps_ = 0;
};
}  // namespace distill
