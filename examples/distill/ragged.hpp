#pragma once
#include "distill/types.hpp"
namespace distill {
/// Sequences of different lengths, packed: sequence b is elements offset[b] .. offset[b + 1] - 1.
/// No padding, so a logits matrix has exactly one row a token.
struct ragged_tokens {
  std::vector<index_t> offset = {0};  ///< (sequences + 1)
  std::vector<index_t> tokens;

  index_t sequences() const { return static_cast<index_t>(offset.size()) - 1; }
  index_t size() const { return static_cast<index_t>(tokens.size()); }
  index_t count(index_t b) const { return offset[std::size_t(b + 1)] - offset[std::size_t(b)]; }
  std::span<index_t const> operator[](index_t b) const {
    return std::span(tokens).subspan(std::size_t(offset[std::size_t(b)]), std::size_t(count(b)));
  }
  void clear() {
    offset.assign(1, 0);
    tokens.clear();
  }
  void append(std::span<token const> sequence) {
    tokens.insert(tokens.end(), sequence.begin(), sequence.end());
    offset.push_back(size());
  }
};

/// One segment of text as both models read it.
struct sample {
  std::vector<token> teacher, student;
  index_t bytes = 0;  ///< of its text: what makes tokenizers comparable
};

/// Several samples at once. Row i of the student's logits predicts student.tokens[i] from the
/// tokens before it in its sequence; likewise the teacher's, in its own tokens and lengths.
struct batch {
  ragged_tokens teacher, student;
  index_t bytes = 0;

  void clear() {
    teacher.clear();
    student.clear();
    bytes = 0;
  }
  void append(sample const& s) {
    teacher.append(s.teacher);
    student.append(s.student);
    bytes += s.bytes;
  }
};
}  // namespace distill
