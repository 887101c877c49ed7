#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "mlot/core/view.hpp"
namespace mlot::MLOT_SET {
/// Scratch memory lent by the caller for one call; its contents mean nothing before or after.
/// workspace_size(device, primitive) says how much.
template <class Memory>
struct workspace {
  std::byte* data = nullptr;
  std::size_t size = 0;
};

/// Cuts a workspace into arrays. Without memory behind it, it only counts: the code that uses a
/// workspace is the code that answers its size.
template <class Memory>
class arena {
 public:
  static constexpr std::size_t alignment = 64;  ///< of every array: a cache line, an AVX-512 vector
  constexpr arena() = default;                  ///< counts only
  explicit arena(workspace<Memory> lent) : data_(lent.data) {
    if (data_ != nullptr)
      data_ += (alignment - reinterpret_cast<std::uintptr_t>(data_) % alignment) % alignment;
  }
  constexpr bool counts_only() const { return data_ == nullptr; }
  /// Bytes that a caller must lend for all that was taken, wherever its memory begins.
  constexpr std::size_t bytes() const { return used_ == 0 ? 0 : used_ + alignment; }

  template <class T>
  vector_view<T, Memory> vector(index_t size) {
    return {take<T>(size), size};
  }
  template <class T>
  matrix_view<T, Memory> matrix(index_t rows, index_t cols) {
    return {take<T>(rows * cols), rows, cols, cols};
  }
  /// `size` bytes behind all that was taken, for a primitive that this one calls.
  workspace<Memory> rest(std::size_t size) const {
    return counts_only() ? workspace<Memory>{} : workspace<Memory>{data_ + used_, size};
  }

 private:
  template <class T>
  T* take(index_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignment);
    T* const first = counts_only() ? nullptr : reinterpret_cast<T*>(data_ + used_);
    used_ += (std::size_t(count) * sizeof(T) + alignment - 1) / alignment * alignment;
    if constexpr (!std::is_trivially_default_constructible_v<T>)  // a user's own scalar
      for (index_t n = 0; first != nullptr && n < count; ++n)
        ::new (static_cast<void*>(first + n)) T();
    return first;
  }
  std::byte* data_ = nullptr;
  std::size_t used_ = 0;
};
}  // namespace mlot::MLOT_SET
