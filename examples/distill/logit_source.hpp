#pragma once
#include "distill/ragged.hpp"
namespace distill {
/// A teacher: anything that scores the next token, an n-gram as well as a neural network.
class logit_source {
 public:
  virtual ~logit_source() = default;
  virtual index_t vocabulary() const = 0;
  /// Row t of `out` (tokens, vocabulary) becomes the logits of token t given the tokens before it
  /// in this sequence; row 0 is given the start alone. Called from several threads at a time.
  virtual void logits(std::span<index_t const> tokens, matrix_ref<float> out) const = 0;
};

/// How well a teacher knows a text: bits per byte, comparable with any other model's.
double bits_per_byte(logit_source const& teacher, std::vector<sample> const& text);
}  // namespace distill
