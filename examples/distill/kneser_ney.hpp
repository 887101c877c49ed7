#pragma once
#include "distill/logit_source.hpp"
namespace distill {
/// Interpolated modified Kneser-Ney n-gram: a teacher that is ready after seconds of counting.
///
///   p(w | h) = (c(h w) - D(c(h w))) / c(h) + backoff(h) p(w | h without its oldest token)
///
/// c counts occurrences in the highest order and at the start of a segment; elsewhere it counts
/// the distinct tokens seen before h w. Below order 1 stands the uniform distribution, so every
/// probability is positive. D(1), D(2), D(3 and more) come from each order's counts of counts.
/// Source: Chen and Goodman, An empirical study of smoothing techniques (1998), section 3.
class kneser_ney final : public logit_source {
 public:
  static constexpr int longest_order = 4;  ///< four tokens of 16 bits fill a key
  static constexpr index_t largest_vocabulary = index_t(1) << 16;

  /// `start` stands before the first token of every segment; it is never counted as a successor.
  /// Throws std::invalid_argument where the order or the vocabulary does not fit a key.
  kneser_ney(std::span<std::vector<token> const> segments, index_t vocabulary, token start,
             int order);

  index_t vocabulary() const override { return static_cast<index_t>(unigram_.size()); }
  /// Rows are log-probabilities; their exponentials sum to 1.
  void logits(std::span<index_t const> tokens, matrix_ref<float> out) const override;
  /// Distinct n-grams of all orders.
  index_t size() const;

 private:
  using key = std::uint64_t;  ///< up to four tokens, the oldest in the highest bits

  /// What follows contexts of one length. Successors of context i: first[i] .. first[i + 1] - 1.
  struct level {
    std::vector<key> context;  ///< rising
    std::vector<float> backoff;
    std::vector<std::uint32_t> first;
    std::vector<token> successor;
    std::vector<float> probability;  ///< the discounted part of p alone
  };
  static level smooth(std::span<key const> grams, std::span<std::uint32_t const> counts);
  /// Adds to `row` what orders 2 and up say after the last `known` tokens of `history`; answers
  /// the weight that is left to order 1.
  float add_orders(key history, int known, float* row) const;

  token start_;
  std::vector<level> levels_;   ///< levels_[n]: contexts of n tokens
  std::vector<float> unigram_;  ///< dense, the uniform part included
};
}  // namespace distill
