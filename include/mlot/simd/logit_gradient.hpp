#pragma once
#include <algorithm>
#include <cstdint>

#include "mlot/core/segment.hpp"
#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/scalar/sort_indices.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
#include "mlot/simd/streaming_store.hpp"
/// A row is read once and written once, vector by vector, past the caches where the gradient is too
/// large for them anyway: reading and writing then overlap all the time. The few vectors that
/// sparse entries fall into stop on the way for them.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::dense_part;
using scalar::dense_part_of;
using scalar::for_rows_without_token;
using scalar::label_is_masked;

/// Each sequence's columns in the order of their ids, in which a row comes to them. The
/// vocabulary's size ends each list.
template <real T, storage S, storage G>
struct columns_by_id {
  logit_gradient<T, S, G, host_memory> const& p;
  int sets = p.column_gradients();
  matrix_view<index_t, host_memory> place[2]{}, id[2]{};
  columns_by_id(logit_gradient<T, S, G, host_memory> const& of, arena<host_memory>& space) : p(of) {
    for (int c = 0; c < sets; ++c) {
      place[c] = space.matrix<index_t>(p.tokens.sequences(), p.columns[c].ids.cols);
      id[c] = space.matrix<index_t>(p.tokens.sequences(), p.columns[c].ids.cols + 1);
    }
  }
  void sort(index_t b) const {
    for (int c = 0; c < sets; ++c) {
      auto const& ids = p.columns[c].ids;
      for (index_t l = 0; l < ids.cols; ++l) place[c](b, l) = l;
      if (ids.cols > 0)
        scalar::sort_indices(&place[c](b, 0), ids.cols, [&](index_t l, index_t m) {
          return ids(b, l) < ids(b, m) || (ids(b, l) == ids(b, m) && l < m);
        });
      for (index_t n = 0; n < ids.cols; ++n) id[c](b, n) = ids(b, place[c](b, n));
      id[c](b, ids.cols) = p.logits.cols;
    }
  }
};

template <class Batch, class T, storage S, storage G>
struct gradient_row {
  static constexpr index_t width = Batch::size, ahead = 1024;
  static constexpr std::size_t bytes = width * sizeof(G);  ///< of a vector of the gradient
  logit_gradient<T, S, G, host_memory> const& p;
  columns_by_id<T, S, G> const& order;
  bool streams;
  index_t b, i, r = p.tokens.row(i), vocabulary = p.logits.cols;
  index_t label = p.labels.counts(r) && !label_is_masked(p, r) ? p.labels.label(r) : vocabulary;
  index_t const* next[2] = {&vocabulary, &vocabulary};  ///< of each order, the id that comes next

  /// The first column from v on that a sparse entry falls into.
  index_t next_sparse(index_t v) const {
    return (std::min)({*next[0], *next[1], v <= label ? label : vocabulary});
  }
  void add_sparse_entries(index_t begin, index_t end, T* lanes) {
    for (int c = 0; c < 2;
         ++c) {  // of a set that is not given, the next id is the vocabulary's size
      if (*next[c] >= end) continue;
      index_t const *const place = &order.place[c](b, 0), *const first = &order.id[c](b, 0);
      T const tau = p.columns[c].temperature(i);
      for (; *next[c] < end; ++next[c])
        lanes[*next[c] - begin] += p.columns[c].at(i, place[next[c] - first]) / tau;
    }
    if (begin <= label && label < end) lanes[label - begin] -= p.cross_entropy_weight;
  }

  /// Writes the row, where dense(v, which) makes the lanes at column v of its dense part.
  template <class Dense>
  void write_row(Dense dense) {
    G* const out = &p.gradient(r, 0);
    auto const past = reinterpret_cast<std::uintptr_t>(out) % bytes;
    index_t const unaligned = streams ? index_t((bytes - past) % bytes / sizeof(G)) : 0;
    for (index_t v = 0; v < vocabulary;) {
      if (v >= unaligned) {
        index_t const end = v + (next_sparse(v) - v) / width * width;
        if (streams)
          for (; v < end; v += width) {
            alignas(64) G lane[width];
            store_lanes(lane, dense(v, all_lanes{}), all_lanes{});
            stream<bytes>(out + v, lane);
          }
        else
          for (; v < end; v += width) store_lanes(out + v, dense(v, all_lanes{}), all_lanes{});
      }
      index_t const size = (std::min)(v < unaligned ? unaligned : width, vocabulary - v);
      auto const write_some = [&](auto which) {
        alignas(64) T lane[width];
        dense(v, which).store_aligned(lane);
        add_sparse_entries(v, v + size, lane);
        store_lanes(out + v, Batch::load_aligned(lane), which);
      };
      if constexpr (sizeof(Batch) == 64 && std::same_as<S, T> && std::same_as<G, T>)
        write_some(first_lanes{size});
      else if (size == width)
        write_some(all_lanes{});
      else
        write_some(first_lanes{size});
      v += size;
    }
  }

  void write() {
    if (r < 0) return;
    dense_part<T> const dense = dense_part_of(p, order.sets, i);
    if (dense.count == 0) {
      std::fill_n(&p.gradient(r, 0), vocabulary, store_as<G>(T(0)));
      return;
    }
    for (int c = 0; c < order.sets; ++c)
      for (next[c] = &order.id[c](b, 0); *next[c] < 0;) ++next[c];
    S const* const z = &p.logits(r, 0);
    Batch const top(p.maximum(i) > -infinity<T> ? p.maximum(i) : T(0));
    with_exponentials<Batch>(
        dense.inverse_temperature, dense.count,
        [&]<int N>(std::integral_constant<int, N>, auto powers) {
          Batch const c0(dense.coefficient[0]), c1(dense.coefficient[1]), c2(dense.coefficient[2]);
          write_row([=](index_t v, auto which) {
            Batch e[N];
            __builtin_prefetch(z + v + ahead);
            powers(Batch(load_lanes<Batch>(z + v, which, -infinity<T>) - top), e);
            Batch sum = c0 * e[0];  // which no plain sum follows that it could be fused into
            if constexpr (N > 1) sum = multiply_add(c1, e[1], sum);
            if constexpr (N > 2) sum = multiply_add(c2, e[2], sum);
            return sum;
          });
        });
  }
};

template <class Arch, has_lanes T, storage S, storage G>
std::size_t scratch_size(device<Arch>, logit_gradient<T, S, G, host_memory> const& p) {
  arena<host_memory> space;
  columns_by_id<T, S, G>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage S, storage G>
status run(device<Arch>, logit_gradient<T, S, G, host_memory> const& p,
           workspace<host_memory> scratch) {
  if (p.logits.col_stride != 1 || p.gradient.col_stride != 1) return run_strided(p, scratch);
  index_t const vocabulary = p.logits.cols, tokens = p.tokens.tokens();
  arena<host_memory> space(scratch);
  columns_by_id<T, S, G> const order(p, space);
  for (index_t b = 0; b < p.tokens.sequences(); ++b) order.sort(b);
  bool const in_place = static_cast<void const*>(p.gradient.data) == p.logits.data;
  bool const streams =
      !in_place && std::size_t(tokens * vocabulary) * sizeof(G) >= least_streamed_output;
  // Rows in a run, since each asks for the beginning of the next; several runs a thread.
  index_t const chunk = (std::max<index_t>)(1, tokens / (8 * max_threads()));
  parallel_for((tokens + chunk - 1) / chunk, 1, tokens * vocabulary, [&](index_t part) {
    index_t b = segment_of(p.tokens.offset, part * chunk);
    for (index_t i = part * chunk; i < (std::min)((part + 1) * chunk, tokens); ++i) {
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
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
