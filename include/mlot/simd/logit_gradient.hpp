#pragma once
#include <algorithm>
#include <cstdint>

#include "mlot/core/segment.hpp"
#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
#include "mlot/simd/streaming_store.hpp"
/// A row is made block by block in the first-level cache: the dense part, then the sparse entries
/// that fall into the block, then it leaves, past the caches where the gradient is too large for
/// them anyway.
namespace mlot::on {
/// The order of each sequence's columns by id: with it, a row's sparse entries come block by block.
template <real T, storage S, storage G>
struct columns_by_id {
  logit_gradient<T, S, G, host_memory> const& p;
  matrix_view<index_t, host_memory> place[2]{};
  columns_by_id(logit_gradient<T, S, G, host_memory> const& of, arena<host_memory>& space) : p(of) {
    for (int c = 0; c < p.column_gradients; ++c)
      place[c] = space.matrix<index_t>(p.tokens.sequences(), p.columns[c].ids.cols);
  }
  void sort(index_t b) const {
    for (int c = 0; c < p.column_gradients; ++c)
      for (index_t l = 0; l < place[c].cols; ++l) place[c](b, l) = l;
    for (int c = 0; c < p.column_gradients; ++c)
      if (place[c].cols > 0)
        std::sort(&place[c](b, 0), &place[c](b, 0) + place[c].cols, [&](index_t l, index_t m) {
          index_t const u = p.columns[c].ids(b, l), v = p.columns[c].ids(b, m);
          return u < v || (u == v && l < m);
        });
  }
};

template <class Batch, class T, storage S, storage G>
struct gradient_row {
  static constexpr index_t block_size = 1024;
  logit_gradient<T, S, G, host_memory> const& p;
  columns_by_id<T, S, G> const& order;
  bool streams;
  index_t b, i, r = p.tokens.row(i);
  bool labelled = p.labels.counts(r) && !label_is_masked(p, r);
  index_t next[2] = {};  ///< of each order, the first entry not yet added

  void dense_block(dense_part<T> const& dense, index_t begin, index_t size, T* block) const {
    T const top = p.maximum(i);
    if (dense.count == 0 || top == -infinity<T>) {
      std::fill_n(block, size, T(0));
      return;
    }
    Batch const tops(top);
    Batch const coefficient[3] = {Batch(dense.coefficient[0]), Batch(dense.coefficient[1]),
                                  Batch(dense.coefficient[2])};
    S const* const logits = &p.logits(r, begin);
    with_exponentials<Batch>(
        dense.inverse_temperature, dense.count,
        [&]<int N>(std::integral_constant<int, N>, auto powers) {
          for_lanes<Batch>(size, [&](index_t v, auto which) {
            Batch e[N];
            __builtin_prefetch(logits + v + block_size);  // the next block, while this one computes
            powers(Batch(load_lanes<Batch>(logits + v, which, -infinity<T>) - tops), e);
            Batch sum = coefficient[0] * e[0];
            for (int c = 1; c < N; ++c) sum = multiply_add(coefficient[c], e[c], sum);
            store_lanes(block + v, sum, which);
          });
        });
  }

  void add_sparse_entries(index_t begin, index_t end, T* block) {
    for (int c = 0; c < p.column_gradients; ++c) {
      column_gradient<T, host_memory> const& from = p.columns[c];
      T const tau = from.temperature(i);
      for (; next[c] < from.ids.cols; ++next[c]) {
        index_t const l = order.place[c](b, next[c]), v = from.ids(b, l);
        if (v >= end) break;
        if (v >= 0) block[v - begin] += from.at(i, l) / tau;
      }
    }
    if (labelled && p.labels.label(r) >= begin && p.labels.label(r) < end)
      block[p.labels.label(r) - begin] -= p.cross_entropy_weight;
  }

  void write_block(T const* block, index_t size, G* out) const {
    alignas(64) G stored[block_size];
    bool const lines = streams && std::size_t(size) * sizeof(G) % streamed_bytes == 0 &&
                       reinterpret_cast<std::uintptr_t>(out) % streamed_bytes == 0;
    if (std::same_as<G, T> && lines)
      return stream(out, block, std::size_t(size) * sizeof(G) / streamed_bytes);
    G* const to = lines ? stored : out;
    for_lanes<Batch>(size, [&](index_t v, auto which) {
      store_lanes(to + v, load_lanes<Batch>(block + v, which), which);
    });
    if (lines) stream(out, stored, std::size_t(size) * sizeof(G) / streamed_bytes);
  }

  void write() {
    if (r < 0) return;
    dense_part<T> const dense = dense_part_of(p, i);
    alignas(64) T block[block_size];
    // The first block ends where the gradient's next cache line begins, if it does not begin there.
    auto const past = reinterpret_cast<std::uintptr_t>(&p.gradient(r, 0)) % streamed_bytes;
    index_t const rest = index_t((streamed_bytes - past) % streamed_bytes / sizeof(G));
    index_t const vocabulary = p.logits.cols, lines = streamed_bytes / sizeof(G);
    for (index_t begin = 0, end; begin < vocabulary; begin = end) {
      end = std::min(begin + (begin == 0 && rest > 0 ? rest : block_size), vocabulary);
      if (index_t const over = (end - begin) % lines; begin + lines <= end && over > 0) end -= over;
      dense_block(dense, begin, end - begin, block);
      add_sparse_entries(begin, end, block);
      write_block(block, end - begin, &p.gradient(r, begin));
    }
  }
};

template <class Arch, has_lanes T, storage S, storage G>
std::size_t scratch_size(simd<Arch>, logit_gradient<T, S, G, host_memory> const& p) {
  arena<host_memory> space;
  columns_by_id<T, S, G>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage S, storage G>
status run(simd<Arch>, logit_gradient<T, S, G, host_memory> const& p,
           workspace<host_memory> scratch) {
  if (p.logits.col_stride != 1 || p.gradient.col_stride != 1) return run(scalar{}, p, scratch);
  index_t const vocabulary = p.logits.cols, tokens = p.tokens.tokens();
  arena<host_memory> space(scratch);
  columns_by_id<T, S, G> const order(p, space);
  for (index_t b = 0; b < p.tokens.sequences(); ++b) order.sort(b);
  bool const in_place = static_cast<void const*>(p.gradient.data) == p.logits.data;
  bool const streams =
      !in_place && std::size_t(tokens * vocabulary) * sizeof(G) >= least_streamed_output;
  index_t const chunk = std::max<index_t>(1, (1 << 14) / std::max<index_t>(vocabulary, 1));
  parallel_for((tokens + chunk - 1) / chunk, 1, tokens * vocabulary, [&](index_t part) {
    index_t b = segment_of(p.tokens.offset, part * chunk);
    for (index_t i = part * chunk; i < std::min((part + 1) * chunk, tokens); ++i) {
      while (i >= p.tokens.offset(b + 1)) ++b;
      gradient_row<lanes_of<T, Arch>, T, S, G>{p, order, streams, b, i}.write();
    }
    if (streams) finish_streaming();
  });
  for_rows_without_token(p.tokens, p.logits.rows, [&](index_t r) {
    std::fill_n(&p.gradient(r, 0), vocabulary, store_as<G>(T(0)));
  });
  return {};
}
}  // namespace mlot::on
