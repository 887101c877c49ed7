#pragma once
#include <cmath>
#include <random>

#include "distill/parameters.hpp"
#include "distill/ragged.hpp"
namespace distill {
struct student_shape {
  index_t vocabulary = 0;
  index_t width = 64;    ///< d, of an embedding
  index_t window = 4;    ///< c, tokens that it looks back
  index_t hidden = 192;  ///< h
};

/// A feed-forward language model over a fixed window (after Bengio et al., 2003), for R packed
/// tokens at once:
///
///   x = [E(token before), E(the one before that), ...]      (R, c d)   the start fills the window
///   u = silu(x A + a)                                       (R, h)
///   y = u B + b                                             (R, d)
///   z = y E^T + e                                           (R, V)     the embedding serves again
///
/// Its backward is written by hand, gradient_check.hpp and tests/distill hold it to differences.
template <class T>
class student {
 public:
  student(student_shape const& shape, token start, std::uint64_t seed);

  parameters<T>& learned() { return learned_; }
  /// Row i of `logits` (R, V) predicts tokens.tokens[i] from those before it in its sequence.
  void forward(ragged_tokens const& tokens, matrix<T>& logits);
  /// Overwrites the gradients: those of sum(logit_gradient o logits) at the last forward.
  void backward(matrix<T> const& logit_gradient);

 private:
  using tensor = typename parameters<T>::tensor;
  void look_back(ragged_tokens const& tokens);

  student_shape shape_;
  index_t start_;
  parameters<T> learned_;
  tensor embedding_, mix_, mix_bias_, out_, out_bias_, token_bias_;  // E, A, a, B, b, e

  std::vector<index_t> seen_;  // (R, c) tokens before each token
  matrix<T> x_, before_silu_, u_, y_, dx_, du_, dy_;
};

template <class T>
student<T>::student(student_shape const& shape, token start, std::uint64_t seed)
    : shape_(shape), start_(start) {
  auto const [vocabulary, width, window, hidden] = shape;
  embedding_ = learned_.add(vocabulary, width);
  mix_ = learned_.add(window * width, hidden);
  mix_bias_ = learned_.add(1, hidden);
  out_ = learned_.add(hidden, width);
  out_bias_ = learned_.add(1, width);
  token_bias_ = learned_.add(1, vocabulary);

  std::mt19937_64 random(seed);
  auto const draw = [&](tensor const& t, double deviation) {
    std::normal_distribution<double> normal(0, deviation);
    for (T& value : learned_.value(t).reshaped()) value = static_cast<T>(normal(random));
  };
  draw(embedding_, 1 / std::sqrt(double(width)));
  draw(mix_, 1 / std::sqrt(double(window)));  // x then has deviation 1 / sqrt(d)
  draw(out_, 1 / std::sqrt(double(hidden)));
}

template <class T>
void student<T>::look_back(ragged_tokens const& tokens) {
  seen_.clear();
  for (index_t b = 0; b < tokens.sequences(); ++b) {
    auto const sequence = tokens[b];
    for (index_t t = 0; t < index_t(sequence.size()); ++t)
      for (index_t back = 1; back <= shape_.window; ++back)
        seen_.push_back(back <= t ? sequence[std::size_t(t - back)] : start_);
  }
}

template <class T>
void student<T>::forward(ragged_tokens const& tokens, matrix<T>& logits) {
  look_back(tokens);
  auto const embedding = learned_.value(embedding_);
  x_.resize(tokens.size(), shape_.window * shape_.width);
  for (index_t row = 0, at = 0; row < x_.rows(); ++row)
    for (index_t slot = 0; slot < shape_.window; ++slot, ++at)
      x_.row(row).segment(slot * shape_.width, shape_.width) =
          embedding.row(seen_[std::size_t(at)]);

  before_silu_.noalias() = x_ * learned_.value(mix_);
  before_silu_.rowwise() += learned_.value(mix_bias_).row(0);
  u_ = before_silu_.array() * before_silu_.array().logistic();
  y_.noalias() = u_ * learned_.value(out_);
  y_.rowwise() += learned_.value(out_bias_).row(0);
  logits.noalias() = y_ * embedding.transpose();
  logits.rowwise() += learned_.value(token_bias_).row(0);
}

template <class T>
void student<T>::backward(matrix<T> const& logit_gradient) {
  learned_.gradient(token_bias_) = logit_gradient.colwise().sum();
  learned_.gradient(embedding_).noalias() = logit_gradient.transpose() * y_;
  dy_.noalias() = logit_gradient * learned_.value(embedding_);

  learned_.gradient(out_bias_) = dy_.colwise().sum();
  learned_.gradient(out_).noalias() = u_.transpose() * dy_;
  du_.noalias() = dy_ * learned_.value(out_).transpose();

  auto const gate = before_silu_.array().logistic().eval();
  du_.array() *= gate * (T(1) + before_silu_.array() * (T(1) - gate));
  learned_.gradient(mix_bias_) = du_.colwise().sum();
  learned_.gradient(mix_).noalias() = x_.transpose() * du_;
  dx_.noalias() = du_ * learned_.value(mix_).transpose();

  auto embedding_gradient = learned_.gradient(embedding_);
  for (index_t row = 0, at = 0; row < dx_.rows(); ++row)
    for (index_t slot = 0; slot < shape_.window; ++slot, ++at)
      embedding_gradient.row(seen_[std::size_t(at)]) +=
          dx_.row(row).segment(slot * shape_.width, shape_.width);
}
}  // namespace distill
