#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "mlot/core/view.hpp"
namespace kit {
using mlot::index_t;

/// Lengths on both sides of every lane count, of blocks of them, and long enough for both.
inline constexpr index_t lengths_around_lanes[] = {1,  2,  3,  7,  8,  9,   15,  16,
                                                   17, 31, 33, 63, 65, 127, 129, 1000};

/// How an array lies in memory: its first element `skip` elements past a multiple of 64 bytes, the
/// elements of a row `step` apart, `gap` elements between rows.
struct layout {
  index_t skip = 0, gap = 0, step = 1;
};
inline constexpr layout every_layout[] = {{}, {1, 3, 1}, {3, 0, 2}};

/// All bits set: a NaN that no computation makes. A number far from every index, for integers.
template <class S>
S poison() {
  S x;
  std::memset(static_cast<void*>(&x), std::is_integral_v<S> ? 0x80 : 0xff, sizeof x);
  return x;
}
template <class S>
bool is_poison(S const& x) {
  S const p = poison<S>();
  return std::memcmp(&x, &p, sizeof x) == 0;
}

/// A matrix, or with one row a vector, within a frame of poison. It begins as poison throughout: so
/// what should be written and is not, what is written and should not be, and what is read beside
/// the matrix all show.
template <class S>
class framed {
 public:
  framed(index_t rows, index_t cols, layout where = {})
      : rows_(rows),
        cols_(cols),
        where_(where),
        row_stride_(cols * where.step + where.gap),
        memory_(std::size_t(where.skip + rows * row_stride_) + 2 * line, poison<S>()),
        first_(std::size_t(where.skip)) {
    std::size_t const past = reinterpret_cast<std::uintptr_t>(memory_.data()) % 64;
    first_ += (64 - past) % 64 / sizeof(S);
  }
  explicit framed(index_t size) : framed(1, size, {1, 0, 1}) {}
  framed(framed const&) = delete;
  framed(framed&&) = default;

  mlot::host::matrix<S> matrix() { return {data(), rows_, cols_, row_stride_, where_.step}; }
  mlot::host::vector<S> vector() { return {data(), cols_, where_.step}; }
  S& operator()(index_t i, index_t j) { return matrix()(i, j); }
  S& operator()(index_t j) { return vector()(j); }
  index_t rows() const { return rows_; }
  index_t cols() const { return cols_; }

  void clear() { memory_.assign(memory_.size(), poison<S>()); }
  bool all_written() const {
    for (index_t i = 0; i < rows_; ++i)
      for (index_t j = 0; j < cols_; ++j)
        if (is_poison(memory_[place(i, j)])) return false;
    return true;
  }
  bool frame_untouched() const {
    std::vector<bool> inside(memory_.size());
    for (index_t i = 0; i < rows_; ++i)
      for (index_t j = 0; j < cols_; ++j) inside[place(i, j)] = true;
    for (std::size_t n = 0; n < memory_.size(); ++n)
      if (!inside[n] && !is_poison(memory_[n])) return false;
    return true;
  }
  /// Every element written and nothing else.
  bool exactly_written() const { return all_written() && frame_untouched(); }
  bool untouched() const {
    for (S const& x : memory_)
      if (!is_poison(x)) return false;
    return true;
  }
  /// All bytes, frame included.
  bool same_bits(framed const& other) const {
    for (index_t i = 0; i < rows_; ++i)
      for (index_t j = 0; j < cols_; ++j)
        if (std::memcmp(&memory_[place(i, j)], &other.memory_[other.place(i, j)], sizeof(S)) != 0)
          return false;
    return rows_ == other.rows_ && cols_ == other.cols_;
  }

 private:
  static constexpr std::size_t line = 64 / sizeof(S) + 8;
  std::size_t place(index_t i, index_t j) const {
    return first_ + std::size_t(i * row_stride_ + j * where_.step);
  }
  S* data() { return memory_.data() + first_; }
  index_t rows_, cols_;
  layout where_;
  index_t row_stride_;
  std::vector<S> memory_;
  std::size_t first_;
};

template <class S>
void fill(framed<S>& array, auto generate) {
  for (index_t i = 0; i < array.rows(); ++i)
    for (index_t j = 0; j < array.cols(); ++j) array(i, j) = generate(i, j);
}
}  // namespace kit
