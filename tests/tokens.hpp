#pragma once
#include <vector>

#include "mlot/core/token_pairs.hpp"
namespace kit {
using mlot::index_t;

/// Token rows with the memory behind them, in a matrix some rows of which belong to no sequence:
/// the first, the last, and one behind every sequence.
struct tokens {
  std::vector<index_t> offset{0}, row;
  index_t longest = 0, rows = 1;

  /// `absent`: the second token of every sequence of three or more is -1.
  explicit tokens(std::vector<index_t> const& lengths, bool absent = false) {
    for (index_t const length : lengths) {
      for (index_t t = 0; t < length; ++t)
        row.push_back(absent && t == 1 && length > 2 ? -1 : rows++);
      offset.push_back(index_t(row.size()));
      longest = length > longest ? length : longest;
      ++rows;
    }
  }
  mlot::token_rows<> view() const {
    return {{offset.data(), index_t(offset.size())}, {row.data(), count()}, longest};
  }
  index_t count() const { return index_t(row.size()); }
  index_t sequences() const { return index_t(offset.size()) - 1; }
  index_t sequence_of(index_t token) const {
    index_t b = 0;
    while (token >= offset[std::size_t(b) + 1]) ++b;
    return b;
  }
};

/// Token t beside token t up to the shorter length, where a loss asks for equal ones.
class pairs_to_the_shorter {
 public:
  pairs_to_the_shorter(tokens const& teacher, tokens const& student) {
    for (std::size_t b = 0; b + 1 < student.offset.size(); ++b) {
      index_t const t = teacher.offset[b + 1] - teacher.offset[b];
      index_t const s = student.offset[b + 1] - student.offset[b];
      for (index_t i = 0; i < t && i < s; ++i) position_.push_back(i);
      offset_.push_back(index_t(position_.size()));
    }
  }
  mlot::token_pairs<> view() const {
    mlot::host::vector<index_t const> const position{position_.data(), index_t(position_.size())};
    return {{offset_.data(), index_t(offset_.size())}, position, position};
  }

 private:
  std::vector<index_t> offset_{0}, position_;
};
}  // namespace kit
