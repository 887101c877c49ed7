#pragma once
#include <cstdint>

#include "mlot/grid/aligned_pairs.hpp"
#include "mlot/grid/bitonic_sort.hpp"
#include "mlot/grid/exponentials.hpp"
#include "mlot/grid/pack.hpp"
#include "mlot/grid/row_tokens.hpp"
#include "mlot/grid/sums.hpp"
#include "mlot/primitive/probability_bucket.hpp"
#include "mlot/primitive/ranked_difference.hpp"
/// One block a pair of rows, and nothing is sorted that need not be. The probabilities of both
/// tokens are counted in the same buckets; counts add up to ranks. Where the ranks of one token's
/// bucket all lie behind those of the other's, every one of its ids meets a smaller probability;
/// where they all lie before, a larger one. The few buckets in which the ranks of both meet are
/// sorted, a warp each. With the signs that this gives,
///
///   sum_l |p_(l) - s_(l)| = sum_v s(v) sign of id v + sum_u p(u) sign of id u,
///
/// exactly 0 for equal probabilities.
namespace mlot::MLOT_SET::simt {
/// What is kept for blocks that work at the same time, each its own, and of every token.
template <class T, class Memory>
struct ranked_scratch {
  row_tokens<Memory> rows;
  vector_view<T, Memory> difference;  ///< (student tokens) summed over their pairs
  matrix_view<T, Memory> direction;   ///< (blocks, n) h by id
  /// (blocks, V) of either side: ids whose buckets meet, from the bucket's first rank on
  matrix_view<T, Memory> probability[2];
  matrix_view<std::int32_t, Memory> id[2];

  template <class Primitive>
  ranked_scratch(Primitive const& p, index_t most_blocks, arena<Memory>& space)
      : rows(p.student.logits.rows, space),
        difference(space.template vector<T>(p.student.tokens.tokens())) {
    index_t const blocks = least(most_blocks, most<index_t>(p.student.tokens.tokens(), 1));
    direction = space.template matrix<T>(blocks, p.backward() ? p.student.logits.cols : 0);
    for (int side : {0, 1}) {
      index_t const ids = side == 0 ? p.teacher.logits.cols : p.student.logits.cols;
      probability[side] = space.template matrix<T>(blocks, ids);
      id[side] = space.template matrix<std::int32_t>(blocks, ids);
    }
  }
  index_t blocks() const { return direction.rows; }
};

template <class Primitive>
aligned_pairs<typename Primitive::memory> pairs_of_ranked(Primitive const& p) {
  return {p.pairs, p.teacher.tokens.offset, p.student.tokens.offset, p.student.tokens.tokens()};
}

/// Nothing known yet of the rows, and what is wrong with given pairs.
template <grid Device, class T>
struct ranked_begin_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  row_tokens<memory> rows;
  aligned_pairs<memory> pairs;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    rows.clear(block);
    pairs.report_wrong(block, findings);
  }
};

/// Probabilities of one token, as ranked_difference counts them.
template <class T, class S, class Memory>
struct counted_probabilities {
  using bucket = probability_bucket<T>;
  vector_view<S const, Memory> row;
  T top = T(0), rate = T(1), share = T(0);

  MLOT_DEVICE T operator()(T z) const {
    T const p = power_of_two(T((z - top) * rate)) * share;
    return p >= bucket::least ? least(p, T(1)) : T(0);
  }
  /// Calls visit(p, id) for this thread's share of the ids.
  template <class Block, class Visit>
  MLOT_DEVICE void for_ids(Block& block, Visit visit) const {
    for_row<T>(block, row, [&](auto part) {
      T z[part.count];
      part.load(row, z);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j) visit((*this)(z[j]), part.column(j));
    });
  }
};

template <grid Device, class T, class Teacher, class S, class G>
struct ranked_difference_kernel {
  using memory = typename Device::memory;
  using bucket = probability_bucket<T>;
  static constexpr int threads = Device::tuning.row_threads;
  static constexpr bool alone = true;
  static constexpr int buckets = int(bucket::count);
  struct shared {
    int rank[2][buckets + 1];  ///< of a bucket's first id, by side
    int place[buckets];        ///< of the next id of a bucket that meets
    int of_thread[threads];
  };
  ranked_difference<T, Teacher, S, G, memory> p;
  ranked_scratch<T, memory> scratch;
  aligned_pairs<memory> pairs;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    for (index_t j = block.index(); j < p.student.tokens.tokens(); j += block.blocks())
      take_token(block, s, j);
    for (index_t r = block.index(); r < p.gradient.rows && p.backward(); r += block.blocks())
      if (!scratch.rows.is_token(r)) clear_row<T>(block, p.gradient.row(r));
  }

 private:
  enum side { teacher, student };
  /// What the block shares of one side, and its memory.
  struct ranks {
    int const *own, *other;
    T* probability;
    std::int32_t* id;
    index_t past;  ///< ranks from here on are not compared

    /// Which sign all ids of bucket n have; `meets`: each its own.
    static constexpr int meets = 2;
    MLOT_DEVICE int sign(int n) const {
      int const begin = own[n], end = own[n + 1];
      if (begin == end || begin >= past) return 0;
      if (end <= past && begin >= other[n + 1]) return 1;
      if (end <= past && end <= other[n]) return -1;
      return meets;
    }
  };
  template <class Block>
  MLOT_DEVICE ranks ranks_of(Block& block, shared const& s, side own) const {
    return {s.rank[own], s.rank[1 - own], &scratch.probability[own](block.index(), 0),
            &scratch.id[own](block.index(), 0), p.ranks()};
  }

  template <class Block, class X>
  MLOT_DEVICE counted_probabilities<T, X, memory> probabilities_of(
      Block& block, token_softmax<T, X, memory> const& of, index_t i) const {
    index_t const r = of.tokens.row(i);
    if (r >= of.logits.rows) report(block, findings, finding::row, i);
    T const partition = of.partition(i), top = of.maximum(i);
    if (r < 0 || r >= of.logits.rows || !(partition > T(0))) return {};
    return {of.logits.row(r), top > -infinity<T> ? top : T(0), rate_of(of.temperature),
            T(1) / partition};
  }

  template <class Block>
  MLOT_DEVICE void take_token(Block& block, shared& s, index_t j) const {
    index_t const b = segment_of(pairs.student_offset, j);
    auto const own = probabilities_of(block, p.student, j);
    auto const direction = scratch.direction.row(block.index());
    if (p.backward())
      for (index_t v = block.thread(); v < direction.size; v += threads) direction(v) = T(0);
    count(block, s, own, s.rank[student]);
    long_sum<T> of_student, of_teacher;
    auto const range = pairs.of(b, j);
    for (index_t n = range.first; n < range.past; ++n) {
      auto const pair = pairs.at(b, n);
      if (pair.student != j) continue;
      auto const other = probabilities_of(block, p.teacher, pair.teacher);
      count(block, s, other, s.rank[teacher]);
      ranks const of[2] = {ranks_of(block, s, teacher), ranks_of(block, s, student)};
      compare(block, s, other, of[teacher], of_teacher, [](index_t, T) {});
      compare(block, s, own, of[student], of_student, [&](index_t v, T sign) {
        if (p.backward()) direction(v) += sign;
      });
      sort(block, of[teacher]);
      sort(block, of[student]);
      block.sync();
      resolve(block, of[teacher], of[student], of_teacher, [](index_t, T) {});
      resolve(block, of[student], of[teacher], of_student, [&](index_t v, T sign) {
        if (p.backward()) direction(v) += sign;
      });
      block.sync();
    }
    T const mean = block.all(of_student.value(), plus());
    T const difference = mean + block.all(of_teacher.value(), plus());
    if (block.thread() == 0) scratch.difference(j) = difference;
    index_t const r = p.student.tokens.row(j);
    if (p.backward() && r >= 0 && r < p.gradient.rows && scratch.rows.of(r) == j)
      write_gradient(block, own, direction, mean, b, j);
    block.sync();
  }

  /// Ranks of the buckets of one token: how many ids are in those before.
  template <class Block, class Row>
  MLOT_DEVICE void count(Block& block, shared& s, Row const& row, int* rank) const {
    for (int n = block.thread(); n <= buckets; n += threads) rank[n] = 0;
    block.sync();
    row.for_ids(block, [&](T x, index_t) {
      if (x > T(0)) block.add(rank[int(bucket::of(x)) + 1], 1);
    });
    block.sync();
    constexpr int each = int(blocks_for(buckets, threads));
    int const begin = 1 + block.thread() * each, end = least(begin + each, buckets + 1);
    int sum = 0;
    for (int n = begin; n < end; ++n) sum += rank[n];
    s.of_thread[block.thread()] = sum;
    block.sync();
    sum = 0;
    for (int t = 0; t < block.thread(); ++t) sum += s.of_thread[t];
    for (int n = begin; n < end; ++n) rank[n] = sum += rank[n];
    block.sync();
  }

  /// Adds the ids of buckets that have a sign, and lists the others.
  template <class Block, class Row, class Add>
  MLOT_DEVICE void compare(Block& block, shared& s, Row const& row, ranks const& of,
                           long_sum<T>& sum, Add add) const {
    for (int n = block.thread(); n < buckets; n += threads) s.place[n] = of.own[n];
    block.sync();
    row.for_ids(block, [&](T x, index_t v) {
      if (!(x > T(0))) return;
      int const n = int(bucket::of(x)), sign = of.sign(n);
      if (sign == ranks::meets) {
        int const place = block.add(s.place[n], 1);
        of.probability[place] = x;
        of.id[place] = std::int32_t(v);
      } else if (sign != 0) {
        sum.add(T(sign) * x);
        add(v, T(sign));
      }
    });
    block.sync();
  }
  /// Sorts the lists of buckets that meet: by falling probability, equal ones by id.
  template <class Block>
  MLOT_DEVICE void sort(Block& block, ranks const& of) const {
    for (int n = block.warp(); n < buckets; n += Block::warps) {
      if (of.sign(n) != ranks::meets) continue;
      T* const x = of.probability + of.own[n];
      std::int32_t* const id = of.id + of.own[n];
      bitonic_sort(
          of.own[n + 1] - of.own[n], block.lane(), 32,
          [&](index_t i, index_t k) {
            T const first = x[i], second = x[k];
            std::int32_t const v = id[i], w = id[k];
            if (first > second || (first == second && v < w)) return;
            x[i] = second, x[k] = first;
            id[i] = w, id[k] = v;
          },
          [&] { block.sync_warp(); });
    }
  }
  /// Adds the ids of those lists, rank by rank.
  template <class Block, class Add>
  MLOT_DEVICE void resolve(Block& block, ranks const& of, ranks const& other, long_sum<T>& sum,
                           Add add) const {
    for (int n = block.warp(); n < buckets; n += Block::warps) {
      if (of.sign(n) != ranks::meets) continue;
      index_t const end = least<index_t>(of.own[n + 1], of.past);
      for (index_t l = of.own[n] + block.lane(); l < end; l += 32) {
        T opposite = T(l < of.other[n] ? 2 : 0);
        if (l >= of.other[n] && l < of.other[n + 1]) opposite = other.probability[l];
        T const x = of.probability[l], sign = mlot::sign(T(x - opposite));
        sum.add(sign * x);
        add(of.id[l], sign);
      }
    }
  }

  template <class Block>
  MLOT_DEVICE void write_gradient(Block& block, counted_probabilities<T, S, memory> const& own,
                                  vector_view<T, memory> const& direction, T mean, index_t b,
                                  index_t j) const {
    index_t const r = p.student.tokens.row(j), count = pairs.count(b);
    T const divisor = p.mean_over_pairs && count > 0 ? T(double(count)) : T(1);
    T const scale = p.weight(b) / (divisor * p.student.temperature);
    bool const counts = p.labels.counts(r);
    index_t const label = counts ? p.labels.label(r) : -1;
    bool const usable = label >= 0 && label < p.student.logits.cols;
    if (counts && !usable) report(block, findings, finding::label, r);
    T const partition = usable ? p.label_partition(j) : T(0);
    T const share = partition > T(0) ? p.cross_entropy_weight / partition : T(0);
    T const top = p.student.maximum(j), rate = rate_of(T(1));
    auto const logits = p.student.logits.row(r);
    auto const gradient = p.gradient.row(r);
    for_rows<T>(block, logits, gradient, [&](auto part) {
      T z[part.count];
      part.load(logits, z);
      MLOT_UNROLL
      for (int i = 0; i < part.count; ++i) {
        index_t const v = part.column(i);
        T const x = own(z[i]);
        T sum = scale * x * (direction(v) - mean);
        if (share != T(0) && z[i] > -infinity<T>) {
          sum += share * power_of_two(T((z[i] - top) * rate));
          if (v == label) sum -= p.cross_entropy_weight;
        }
        z[i] = sum;
      }
      part.store(gradient, z);
    });
  }
};

/// One block a sequence: its tokens added up.
template <grid Device, class T>
struct ranked_sums_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  vector_view<T const, memory> difference;
  aligned_pairs<memory> pairs;
  bool mean_over_pairs;
  vector_view<T, memory> out;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const b = block.index(), count = pairs.count(b);
    T own(0);
    for (index_t j = pairs.student_offset(b) + block.thread(); j < pairs.student_offset(b + 1);
         j += threads)
      own += difference(j);
    T const sum = block.all(own, plus());
    if (block.thread() == 0) out(b) = mean_over_pairs && count > 0 ? sum / T(double(count)) : sum;
  }
};

template <grid Device, real T, storage Teacher, storage S, storage G>
std::size_t scratch_size(Device,
                         ranked_difference<T, Teacher, S, G, typename Device::memory> const& p) {
  arena<typename Device::memory> space;
  ranked_scratch<T, typename Device::memory>(p, Device::tuning.ranking_blocks, space);
  return space.bytes();
}

template <grid Device, real T, storage Teacher, storage S, storage G>
status run(Device device, ranked_difference<T, Teacher, S, G, typename Device::memory> const& p,
           workspace<typename Device::memory> lent) {
  using memory = typename Device::memory;
  launches<Device> launch(device);
  arena<memory> space(lent);
  ranked_scratch<T, memory> const scratch(p, Device::tuning.ranking_blocks, space);
  auto const pairs = pairs_of_ranked(p);
  using begin = ranked_begin_kernel<Device, T>;
  using tokens = row_tokens_kernel<Device>;
  launch(item_blocks<Device>(most(p.student.logits.rows, pairs.count()), begin::threads),
         begin{scratch.rows, pairs, device.findings});
  launch(item_blocks<Device>(p.student.tokens.tokens(), tokens::threads),
         tokens{scratch.rows, p.student.tokens, device.findings});
  launch(scratch.blocks(),
         ranked_difference_kernel<Device, T, Teacher, S, G>{p, scratch, pairs, device.findings});
  launch(p.out.size,
         ranked_sums_kernel<Device, T>{scratch.difference, pairs, p.mean_over_pairs, p.out});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
