#pragma once
#include <cstdint>

#include "mlot/grid/pack.hpp"
#include "mlot/primitive/top_columns.hpp"
/// The K-th largest mass of a row is found digit by digit, as the key whose order is that of the
/// masses; the columns above it and the lowest ids equal to it are collected, then each takes the
/// place that the number of columns before it says.
namespace mlot::MLOT_SET::simt {
/// Unsigned integers in the order of the masses: 0 and -0 have the same.
template <class T>
using order_key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
MLOT_DEVICE order_key<T> key_of(T mass) {
  using key = order_key<T>;
  key const sign = key(1) << (8 * sizeof(T) - 1);
  key const bits = mlot::detail::bits_as<key>(mass == T(0) ? T(0) : mass);
  return bits & sign ? key(~bits) : key(bits | sign);
}

/// The K columns, in no order: (B, K), or (B, V) where K exceeds V.
template <class T, class Memory>
struct column_candidates {
  using key_type = order_key<accumulator_t<T>>;
  matrix_view<index_t, Memory> id{};
  matrix_view<key_type, Memory> key{};
  column_candidates(top_columns<T, Memory> const& p, arena<Memory>& space) {
    index_t const kept = least(p.ids.cols, p.mass.cols);
    id = space.template matrix<index_t>(p.ids.rows, kept);
    key = space.template matrix<key_type>(p.ids.rows, kept);
  }
};

/// One block a list.
template <grid Device, class T>
struct select_columns_kernel {
  static constexpr int threads = Device::tuning.select_threads;
  using number = accumulator_t<T>;
  using key = order_key<number>;
  struct shared {
    int of_digit[256];
    int of_thread[threads];
    int digit, left, equal, collected;
  };
  top_columns<T, typename Device::memory> p;
  column_candidates<T, typename Device::memory> all;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const b = block.index(), r = p.row_of(b), kept = all.id.cols;
    if (r < 0) return;
    auto const mass = p.mass.row(r);
    if (block.thread() == 0) s.left = int(kept), s.collected = 0;
    key threshold = 0;
    for (int shift = 8 * int(sizeof(key)) - 8; shift >= 0; shift -= 8) {
      for (int d = block.thread(); d < 256; d += threads) s.of_digit[d] = 0;
      block.sync();
      for_row<number>(block, mass, [&](auto part) {
        number x[part.count];
        part.load(mass, x);
        MLOT_UNROLL
        for (int j = 0; j < part.count; ++j)
          if (key const k = key_of(x[j]) ^ threshold; k >> shift >> 8 == 0)
            block.add(s.of_digit[k >> shift], 1);
      });
      block.sync();
      // The digit d with less than `left` columns above it and as many from it on.
      int const left = s.left;
      block.sync();
      for (int d = block.thread(); d < 256; d += threads) {
        int above = 0;
        for (int other = d + 1; other < 256; ++other) above += s.of_digit[other];
        if (above < left && above + s.of_digit[d] >= left)
          s.digit = d, s.left = left - above, s.equal = s.of_digit[d];
      }
      block.sync();
      threshold |= key(s.digit) << shift;
      if (s.equal == s.left) break;  // everything from here on is among the K
    }
    bool const all_equal = s.equal == s.left;  // or else a tie hangs on the order of ids
    for_row<number>(block, mass, [&](auto part) {
      number x[part.count];
      part.load(mass, x);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j)
        if (key const k = key_of(x[j]); k > threshold || (all_equal && k == threshold))
          take(b, block.add(s.collected, 1), part.column(j), k);
    });
    if (!all_equal) take_lowest(block, s, b, mass, threshold);
  }

 private:
  MLOT_DEVICE void take(index_t b, index_t place, index_t v, key k) const {
    all.id(b, place) = v;
    all.key(b, place) = k;
  }
  /// The first `left` columns equal to the threshold.
  template <class Block>
  MLOT_DEVICE void take_lowest(Block& block, shared& s, index_t b,
                               vector_view<T const, typename Device::memory> mass,
                               key threshold) const {
    index_t place = all.id.cols - s.left;
    constexpr int each = 4;
    for (index_t first = 0; place < all.id.cols && first < mass.size; first += threads * each) {
      index_t const begin = first + block.thread() * each;
      bool equal[each];
      int own = 0;
      MLOT_UNROLL
      for (int j = 0; j < each; ++j) {
        equal[j] = begin + j < mass.size && key_of(load_as<number>(mass(begin + j))) == threshold;
        own += equal[j];
      }
      s.of_thread[block.thread()] = own;
      int const found = block.all(own, plus());
      index_t next = place;
      if (own > 0)
        for (int t = 0; t < block.thread(); ++t) next += s.of_thread[t];
      MLOT_UNROLL
      for (int j = 0; j < each; ++j)
        if (equal[j] && next < all.id.cols) take(b, next++, begin + j, threshold);
      place += found;
      block.sync();
    }
  }
};

/// One thread a place.
template <grid Device, class T>
struct rank_columns_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  top_columns<T, typename Device::memory> p;
  column_candidates<T, typename Device::memory> all;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for_items(block, p.ids.rows * p.ids.cols, [&](index_t n) {
      index_t const b = n / p.ids.cols, l = n % p.ids.cols;
      if (l >= all.id.cols || p.row_of(b) < 0) {
        p.ids(b, l) = -1;
        return;
      }
      auto const key = all.key(b, l);
      index_t const id = all.id(b, l);
      index_t before = 0;
      for (index_t m = 0; m < all.id.cols; ++m)
        before += all.key(b, m) > key || (all.key(b, m) == key && all.id(b, m) < id);
      p.ids(b, before) = id;
    });
  }
};

template <grid Device, storage T>
std::size_t scratch_size(Device, top_columns<T, typename Device::memory> const& p) {
  arena<typename Device::memory> space;
  column_candidates<T, typename Device::memory>(p, space);
  return space.bytes();
}

template <grid Device, storage T>
status run(Device device, top_columns<T, typename Device::memory> const& p,
           workspace<typename Device::memory> scratch) {
  launches<Device> launch(device);
  arena<typename Device::memory> space(scratch);
  column_candidates<T, typename Device::memory> const all(p, space);
  if (all.id.cols > 0) launch(p.ids.rows, select_columns_kernel<Device, T>{p, all});
  using rank = rank_columns_kernel<Device, T>;
  launch(item_blocks<Device>(p.ids.rows * p.ids.cols, rank::threads), rank{p, all});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
