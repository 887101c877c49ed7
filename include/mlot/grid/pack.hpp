#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "mlot/core/view.hpp"
#include "mlot/grid/device.hpp"
/// Rows of the vocabulary as the threads of a block share them: a pack of 16 bytes a thread, the
/// next thread the next pack. Packs begin where the address allows 16 bytes, so that rows of any
/// length and at any place are read that way; what is left at both ends, or all of a row whose
/// elements lie apart, comes column by column.
namespace mlot::MLOT_SET::simt {
/// Elements of a pack of arrays stored as these types: 16 bytes of the narrowest.
template <class... S>
inline constexpr int pack_width = int((std::max)({16 / sizeof(S)...}));

/// What a compiler cannot know of a pointer that comes in a struct, and loads are faster for.
template <class S>
MLOT_DEVICE S* in_device_memory(S* at) {
#if defined(__CUDA_ARCH__)
  __builtin_assume(__isGlobal(at));
#endif
  return at;
}

/// Elements next to each other, kept as the words that memory gave: taken apart at once, two halves
/// would fill two registers.
template <class S, int Width>
struct alignas(16) pack {
  static_assert(sizeof(S) == 2 || sizeof(S) == 4 || sizeof(S) == 8);
  std::uint32_t word[Width * sizeof(S) / 4];

  MLOT_DEVICE S get(int j) const {
    if constexpr (sizeof(S) == 2)
      return detail::bits_as<S>(std::uint16_t(word[j / 2] >> (j % 2 * 16)));
    else if constexpr (sizeof(S) == 4)
      return detail::bits_as<S>(word[j]);
    else
      return detail::bits_as<S>(std::uint64_t(word[2 * j + 1]) << 32 | word[2 * j]);
  }
  /// For j = 0, 1, ... in this order.
  MLOT_DEVICE void put(int j, S x) {
    if constexpr (sizeof(S) == 2) {
      std::uint32_t const bits = detail::bits_as<std::uint16_t>(x);
      word[j / 2] = j % 2 == 0 ? bits : word[j / 2] | bits << 16;
    } else if constexpr (sizeof(S) == 4) {
      word[j] = detail::bits_as<std::uint32_t>(x);
    } else {
      auto const bits = detail::bits_as<std::uint64_t>(x);
      word[2 * j] = std::uint32_t(bits);
      word[2 * j + 1] = std::uint32_t(bits >> 32);
    }
  }
  MLOT_DEVICE static pack load(S const* at) {
#if defined(__CUDA_ARCH__)
    return *reinterpret_cast<pack const*>(in_device_memory(at));
#else
    pack x;
    std::memcpy(&x, __builtin_assume_aligned(at, 16), sizeof x);
    return x;
#endif
  }
  MLOT_DEVICE void store(S* at) const {
#if defined(__CUDA_ARCH__)
    *reinterpret_cast<pack*>(in_device_memory(at)) = *this;
#else
    std::memcpy(__builtin_assume_aligned(at, 16), this, sizeof *this);
#endif
  }
};

/// Packs of a row that a thread has at once: as many loads are on their way, and their values, as
/// numbers of type T, stay in registers.
template <class T, int Width>
inline constexpr int packs_at_once = sizeof(T) > 4 ? (Width < 4 ? 4 / Width : 1)
                                                   : (Width > 8 ? 32 / Width : 4);

/// What a thread has of a row at a time: Packs packs, `stride` columns from one to the next, all
/// loads on their way before the first is needed.
template <int Width, int Packs, index_t stride>
struct packs_of_row {
  static constexpr int count = Packs * Width;
  index_t first;
  MLOT_DEVICE index_t column(int j) const { return first + j / Width * stride + j % Width; }
  template <class T, class S, class Memory>
  MLOT_DEVICE void load(vector_view<S, Memory> const& row, T (&z)[count]) const {
    pack<std::remove_const_t<S>, Width> x[Packs];
    MLOT_UNROLL
    for (int n = 0; n < Packs; ++n) x[n] = x[n].load(row.data + first + n * stride);
    MLOT_UNROLL
    for (int j = 0; j < count; ++j) z[j] = load_as<T>(x[j / Width].get(j % Width));
  }
  template <class T, class G, class Memory>
  MLOT_DEVICE void store(vector_view<G, Memory> const& row, T const (&z)[count]) const {
    MLOT_UNROLL
    for (int n = 0; n < Packs; ++n) {
      pack<G, Width> x;
      MLOT_UNROLL
      for (int j = 0; j < Width; ++j) x.put(j, store_as<G>(z[n * Width + j]));
      x.store(row.data + first + n * stride);
    }
  }
};
/// The same for one column.
struct column_of_row {
  static constexpr int count = 1;
  index_t first;
  MLOT_DEVICE index_t column(int) const { return first; }
  template <class T, class S, class Memory>
  MLOT_DEVICE void load(vector_view<S, Memory> const& row, T (&z)[1]) const {
    z[0] = load_as<T>(row(first));
  }
  template <class T, class G, class Memory>
  MLOT_DEVICE void store(vector_view<G, Memory> const& row, T const (&z)[1]) const {
    row(first) = store_as<G>(z[0]);
  }
};

/// Elements between a boundary of packs and the row's first.
template <int Width, class S, class Memory>
MLOT_DEVICE index_t past_boundary(vector_view<S, Memory> const& row) {
  return index_t(reinterpret_cast<std::uintptr_t>(row.data) / sizeof(S) % Width);
}

/// Columns first .. past - 1 of a row.
template <class S, class Memory>
MLOT_DEVICE vector_view<S, Memory> columns_of(vector_view<S, Memory> const& row, index_t first,
                                              index_t past) {
  return {row.data + first * row.stride, past - first, row.stride};
}

/// Where the packs of rows that are read together lie.
template <int Width>
struct place_of_packs {
  bool any;      ///< whether the same packs suit all rows
  index_t head;  ///< columns before the first

  template <class Row>
  MLOT_DEVICE static place_of_packs in(Row const& row) {
    return {row.stride == 1, row.stride == 1 ? (Width - past_boundary<Width>(row)) % Width : 0};
  }
  template <class Row>
  MLOT_DEVICE place_of_packs and_in(Row const& row) const {
    place_of_packs const other = in(row);
    bool const both = any && other.any && head == other.head;
    return {both, both ? head : 0};
  }
};

/// Calls visit(part) with every part of `size` columns that is this thread's, to be loaded as T.
template <class T, int Width, int Packs = packs_at_once<T, Width>, class Block, class Visit>
MLOT_DEVICE void for_columns(Block& block, index_t size, place_of_packs<Width> place, Visit visit) {
  constexpr index_t stride = index_t(Block::threads) * Width;
  index_t const head = place.head;
  index_t const tail = place.any && size >= head ? size - (size - head) % Width : head;
  index_t v = head + block.thread() * Width;
  for (; v + (Packs - 1) * stride < tail; v += Packs * stride)
    visit(packs_of_row<Width, Packs, stride>{v});
  for (; v < tail; v += stride) visit(packs_of_row<Width, 1, stride>{v});
  index_t const whole = tail - head;
  for (index_t n = block.thread(); n < size - whole; n += Block::threads)
    visit(column_of_row{n < head ? n : n + whole});
}

/// The same with the parts of a row.
template <class T, class Block, class S, class Memory, class Visit>
MLOT_DEVICE void for_row(Block& block, vector_view<S, Memory> const& row, Visit visit) {
  constexpr int width = pack_width<S>;
  for_columns<T, width>(block, row.size, place_of_packs<width>::in(row), visit);
}
/// The same over two rows of one size.
template <class T, class Block, class S, class G, class Memory, class Visit>
MLOT_DEVICE void for_rows(Block& block, vector_view<S, Memory> const& row,
                          vector_view<G, Memory> const& other, Visit visit) {
  constexpr int width = pack_width<S, G>;
  for_columns<T, width>(block, row.size, place_of_packs<width>::in(row).and_in(other), visit);
}

template <class T, class Block, class G, class Memory>
MLOT_DEVICE void clear_row(Block& block, vector_view<G, Memory> const& row) {
  for_row<T>(block, row, [&](auto part) {
    T const zero[part.count] = {};
    part.store(row, zero);
  });
}
}  // namespace mlot::MLOT_SET::simt
