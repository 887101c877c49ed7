#pragma once
#include <algorithm>

#include "mlot/scalar/sparse_divergence.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
#include "mlot/simd/vocabulary_mass.hpp"
/// A token at a time. Its row comes from memory once, into a thread's own that the caches keep; the
/// passes over it are in lanes, what is done with the few outcomes is the scalar device's.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::sparse_divergence;
using scalar::sparse_lists;
using scalar::sparse_space;
using scalar::sparse_spaces;
using scalar::sparse_tokens;
using scalar::write_divergences;

template <class Batch>
struct lane_row {
  using T = typename Batch::value_type;
  using row = vector_view<T, host_memory>;

  template <storage S>
  static bool load(vector_view<S const, host_memory> logits, row const& to, T& top) {
    Batch most(-infinity<T>);
    typename Batch::batch_bool_type usable(true);
    for_lanes<Batch>(to.size, [&, from = logits.data, out = to.data](index_t v, auto which) {
      Batch const z = load_lanes<Batch>(from + v, which, -infinity<T>);
      most = (xsimd::max)(most, z);
      usable = usable & (z < Batch(infinity<T>));
      store_lanes(out + v, z, which);
    });
    top = lane_max(most);
    return xsimd::all(usable);
  }
  static T largest(row const& z) {
    Batch most(-infinity<T>);
    for_lanes<Batch>(z.size, [&, from = z.data](index_t v, auto which) {
      most = (xsimd::max)(most, load_lanes<Batch>(from + v, which, -infinity<T>));
    });
    return lane_max(most);
  }
  static T sum(row const& z, T top, T inverse) {
    Batch all(T(0));
    for (index_t begin = 0; begin < z.size; begin += block_columns) {
      Batch partial(T(0));
      index_t const count = (std::min)(block_columns, z.size - begin);
      for_lanes<Batch>(count, [&, top, inverse, from = z.data + begin](index_t v, auto which) {
        partial += power(load_lanes<Batch>(from + v, which, -infinity<T>), top, inverse);
      });
      all += partial;
    }
    return lane_sum(all);
  }
  static void add(row const& z, T top, T inverse, T factor, row const& to) {
    for_lanes<Batch>(z.size, [=, from = z.data, out = to.data](index_t v, auto which) {
      Batch const e = power(load_lanes<Batch>(from + v, which, -infinity<T>), top, inverse);
      store_lanes(out + v, multiply_add(Batch(factor), e, load_lanes<Batch>(out + v, which)),
                  which);
    });
  }
  template <storage G>
  static void write(row const& from, vector_view<G, host_memory> to) {
    for_lanes<Batch>(from.size, [in = from.data, out = to.data](index_t v, auto which) {
      store_lanes(out + v, load_lanes<Batch>(in + v, which), which);
    });
  }

 private:
  static Batch power(Batch const& z, T top, T inverse) {
    return exponential(product(Batch(z - Batch(top)), Batch(inverse)));
  }
};

/// Rows that threads work on at the same time. So many saturate memory, and more threads wait: the
/// size of the scratch memory must not depend on how many there are.
inline constexpr index_t most_sparse_spaces = 32;
template <class Primitive>
index_t sparse_spaces_of(Primitive const& p) {
  return std::clamp<index_t>(p.student_tokens.tokens(), 1, most_sparse_spaces);
}

template <class Arch, has_lanes T, class Kind, storage Teacher, storage S, storage G>
std::size_t scratch_size(device<Arch>, sparse_divergence<T, Kind, Teacher, S, G> const& p) {
  arena<host_memory> space;
  sparse_lists<T>(p, space);
  sparse_spaces<T>(p, sparse_spaces_of(p), space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Kind, storage Teacher, storage S, storage G>
status run(device<Arch>, sparse_divergence<T, Kind, Teacher, S, G> const& p,
           workspace<host_memory> scratch) {
  if (p.student_logits.col_stride != 1 || (p.backward() && p.gradient.col_stride != 1))
    return run_strided(p, scratch);
  arena<host_memory> space(scratch);
  sparse_lists<T> lists(p, space);
  index_t const ranks = sparse_spaces_of(p);
  sparse_spaces<T> const spaces(p, ranks, space);
  lists.pairs.list(p);
  using row = lane_row<lanes_of<T, Arch>>;
  sparse_tokens<row, sparse_divergence<T, Kind, Teacher, S, G>> const tokens{
      p, lists.pairs, lists.value, lists.entropy};
  index_t const count = p.student_tokens.tokens();
  index_t const chunk = (std::max<index_t>)(1, count / (8 * max_threads()));
  index_t bad = count;  // the first that cannot be used
  index_t const parts = (count + chunk - 1) / chunk, work = count * p.student_logits.cols;
  parallel_for_ranks(parts, ranks, work, [&](index_t part, index_t rank) {
    index_t b = segment_of(p.student_tokens.offset, part * chunk);
    sparse_space<T> const own = spaces.of(rank);
    for (index_t j = part * chunk; j < (std::min)((part + 1) * chunk, count); ++j) {
      while (j >= p.student_tokens.offset(b + 1)) ++b;
      if (tokens.run(b, j, own)) continue;
#ifdef _OPENMP
#  pragma omp critical(mlot_sparse_divergence)
#endif
      bad = (std::min)(bad, j);
    }
  });
  if (bad < count) return tokens.fault_of(bad, spaces.of(0));
  write_divergences(p, lists.pairs, lists.value, lists.entropy);
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
