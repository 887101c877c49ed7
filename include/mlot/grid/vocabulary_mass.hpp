#pragma once
#include <cmath>
#include <utility>

#include "mlot/grid/row_sums.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
/// The logits are read twice: once by rows, for maximum and partition, once by columns, for the
/// mass. The first reads a row once, summing below a running reference, because the rows that all
/// blocks have at hand exceed the L2 cache: what is read again comes from memory again.
namespace mlot::MLOT_SET::simt {
/// One block a token: maximum and partition, at N temperatures.
template <grid Device, class T, class S, int N, bool Squares>
struct row_sums_kernel {
  static constexpr int threads = Device::tuning.row_threads;
  using shared = nothing_shared;
  vocabulary_mass<T, S, typename Device::memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const i = block.index(), r = p.tokens.row(i);
    bool present = r >= 0 && r < p.logits.rows;
    if (r >= p.logits.rows) report(block, findings, finding::row, i);
    exponentials<T, N, Squares> powers;
    T least_temperature = infinity<T>;
    for (int k = 0; k < N; ++k) {
      T const tau = p.at[k].temperature(i);
      powers.rate[k] = rate_of(tau);
      least_temperature = least(least_temperature, tau);
      if (is_temperature(tau)) continue;
      present = false;
      report(block, findings, finding::temperature, i);
    }
    sums_of_row<T, N> sums;
    if (present)
      sums = row_sums(block, p.logits, r, place_of_packs<pack_width<S>>::in(p.logits.row(r)),
                      powers, least_temperature, findings, finding::logit);
    if (block.thread() > 0) return;
    p.maximum(i) = sums.maximum;
    for (int k = 0; k < N; ++k) p.at[k].partition(i) = sums.partition[k];
  }
};

/// One block for the mass of 32 packs of columns of one sequence, a pack a lane. The sequence's
/// tokens come in as many parts as the block has warps, each summed in order, then added in order:
/// enough loads on their way where sequences are few, and the same bits on every grid.
template <grid Device, class T, class S, int N, bool Squares>
struct column_mass_kernel {
  static constexpr int threads = Device::tuning.row_threads, warps = threads / 32;
  static constexpr int width = pack_width<S>, columns = 32 * width;
  static constexpr int rows = 4;  ///< on their way at a time
  struct token {
    S const* row;  ///< null: absent
    T top, rate[N], share[N];
  };
  struct shared {
    token tokens[warps][32];
    T part[warps][columns];
  };
  vocabulary_mass<T, S, typename Device::memory> p;
  bool packed;  ///< every row allows the same packs

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const chunks = blocks_for(p.logits.cols, columns);
    index_t const b = block.index() / chunks, first = block.index() % chunks * columns;
    index_t const begin = p.tokens.first(b), count = p.tokens.count(b);
    T mass[N][width] = {};
    for (index_t i = begin + count * block.warp() / warps,
                 end = begin + count * (block.warp() + 1) / warps;
         i < end; i += 32) {
      s.tokens[block.warp()][block.lane()] = token_at(i + block.lane(), end);
      block.sync_warp();
      int const n = int(least<index_t>(end - i, 32));
      add(s.tokens[block.warp()], n, first + block.lane() * width,
          packed && first + columns <= p.logits.cols, mass);
      block.sync_warp();
    }
    MLOT_UNROLL
    for (int k = 0; k < N; ++k) {
      MLOT_UNROLL
      for (int j = 0; j < width; ++j) s.part[block.warp()][block.lane() * width + j] = mass[k][j];
      block.sync();
      for (index_t c = block.thread(); c < least<index_t>(columns, p.logits.cols - first);
           c += threads) {
        T sum = s.part[0][c];
        for (int w = 1; w < warps; ++w) sum += s.part[w][c];
        p.at[k].mass(b, first + c) = sum;
      }
      block.sync();
    }
  }

 private:
  MLOT_DEVICE token token_at(index_t i, index_t end) const {
    token t{};
    if (i >= end || !(p.maximum(i) > -infinity<T>)) return t;
    t.row = p.logits.row(p.tokens.row(i)).data;
    t.top = p.maximum(i);
    for (int k = 0; k < N; ++k) {
      t.rate[k] = rate_of(p.at[k].temperature(i));
      t.share[k] = T(1) / p.at[k].partition(i);
    }
    return t;
  }
  /// Adds the probabilities of n tokens in columns v .. v + width - 1.
  MLOT_DEVICE void add(token const (&tokens)[32], int n, index_t v, bool whole,
                       T (&mass)[N][width]) const {
    using std::fma;  // by name: equal logits must get equal masses wherever this is compiled
    for (int first = 0; first < n; first += rows) {
      pack<S, width> x[rows];
      if (whole) {
        MLOT_UNROLL
        for (int m = 0; m < rows; ++m)
          if (S const* const row = tokens[first + m].row; row != nullptr) x[m] = x[m].load(row + v);
      } else {
        MLOT_UNROLL
        for (int m = 0; m < rows; ++m)
          if (S const* const row = tokens[first + m].row; row != nullptr) {
            MLOT_UNROLL
            for (int j = 0; j < width; ++j)
              x[m].put(j, v + j < p.logits.cols
                              ? in_device_memory(row)[(v + j) * p.logits.col_stride]
                              : S{});
          }
      }
      MLOT_UNROLL
      for (int m = 0; m < rows; ++m) {
        token const& t = tokens[first + m];
        if (t.row == nullptr) continue;
        exponentials<T, N, Squares> powers;
        for (int k = 0; k < N; ++k) powers.rate[k] = t.rate[k];
        MLOT_UNROLL
        for (int j = 0; j < width; ++j) {
          T e[N];
          powers(T(load_as<T>(x[m].get(j)) - t.top), e);
          for (int k = 0; k < N; ++k) mass[k][j] = fma(e[k], t.share[k], mass[k][j]);
        }
      }
    }
  }
};

namespace detail {
/// Calls body(N, Squares) for the temperatures at[0 .. count - 1], after putting one that is twice
/// another first and that other second, if there are two like that.
template <class T, class Memory, class Body>
void with_exponentials(tempered_mass<T, Memory> (&at)[3], int count, Body body) {
  bool squares = false;
  for (int a = 0; a < count; ++a)
    for (int b = 0; b < count && !squares; ++b) {
      auto const &one = at[a].temperature, &other = at[b].temperature;
      squares = one.each.empty() && other.each.empty() && one.one == 2 * other.one;
      if (!squares) continue;
      std::swap(at[0], at[a]);
      std::swap(at[1], at[b == 0 ? a : b]);
    }
  auto const with = [&]<int N>(std::integral_constant<int, N> n) {
    if constexpr (N > 1)
      if (squares) return body(n, std::true_type{});
    body(n, std::false_type{});
  };
  if (count == 1) with(std::integral_constant<int, 1>{});
  if (count == 2) with(std::integral_constant<int, 2>{});
  if (count == 3) with(std::integral_constant<int, 3>{});
}
}  // namespace detail

template <grid Device, real T, storage S>
status run(Device device, vocabulary_mass<T, S, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  auto sums = p, mass = p;
  detail::with_exponentials(
      sums.at, p.temperatures(),
      [&]<int N, bool Squares>(std::integral_constant<int, N>, std::bool_constant<Squares>) {
        launch(p.tokens.tokens(), row_sums_kernel<Device, T, S, N, Squares>{sums, device.findings});
      });
  int wanted = 0;
  for (int c = 0; c < p.temperatures(); ++c)
    if (p.at[c].mass.data != nullptr) mass.at[wanted++] = p.at[c];
  auto const bytes = [](index_t elements) { return index_t(sizeof(S)) * elements; };
  bool const packed = p.logits.col_stride == 1 && bytes(p.logits.row_stride) % 16 == 0 &&
                      reinterpret_cast<std::uintptr_t>(p.logits.data) % 16 == 0;
  detail::with_exponentials(
      mass.at, wanted,
      [&]<int N, bool Squares>(std::integral_constant<int, N>, std::bool_constant<Squares>) {
        using kernel = column_mass_kernel<Device, T, S, N, Squares>;
        launch(p.tokens.sequences() * blocks_for(p.logits.cols, kernel::columns),
               kernel{mass, packed});
      });
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
