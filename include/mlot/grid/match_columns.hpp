#pragma once
#include <cmath>
#include <cstdint>

#include "mlot/grid/aligned_pairs.hpp"
#include "mlot/grid/exponentials.hpp"
#include "mlot/grid/linear_assignment.hpp"
#include "mlot/grid/top_columns.hpp"
#include "mlot/primitive/match_columns.hpp"
/// Every id is compared with every column: what mass would spare a card does sooner than it knows
/// what to spare. The K cheapest ids of each column are the top columns of the negative costs; one
/// block then matches a sequence's columns with them. Sequences come in groups whose costs fit into
/// some memory.
namespace mlot::MLOT_SET::simt {
/// Sequences whose costs are kept at a time.
template <class Primitive>
index_t sequences_at_once(Primitive const& p, index_t bytes_of_one) {
  constexpr index_t memory = index_t(256) << 20;
  return least(p.tokens.sequences(), most<index_t>(memory / most<index_t>(bytes_of_one, 1), 1));
}

template <class T, class Memory>
struct matching_scratch {
  /// (sequences at once K, V + 1) -D(l, v), -inf where that is no number; in column V the cost of
  /// having no id
  matrix_view<T, Memory> value;
  matrix_view<index_t, Memory> ids;               ///< (sequences at once K, K) by rising cost
  matrix_view<std::uint64_t, Memory> first_edge;  ///< (sequences at once, V) to an id
  assignment_scratch<Memory> assignment;

  template <class Primitive>
  matching_scratch(Primitive const& p, arena<Memory>& space)
      : matching_scratch(
            p, sequences_at_once(p, p.teacher.cols * (p.logits.cols + 1) * index_t(sizeof(T))),
            space) {}
  index_t sequences() const { return first_edge.rows; }
  /// The values without those of having no id.
  matrix_view<T, Memory> of_ids() const {
    return {value.data, value.rows, value.cols - 1, value.row_stride, value.col_stride};
  }

 private:
  template <class Primitive>
  matching_scratch(Primitive const& p, index_t sequences, arena<Memory>& space)
      : value(space.template matrix<T>(sequences * p.teacher.cols, p.logits.cols + 1)),
        ids(space.template matrix<index_t>(sequences * p.teacher.cols, p.teacher.cols)),
        first_edge(space.template matrix<std::uint64_t>(sequences, p.logits.cols)),
        assignment(sequences, p.rule == matching_rule::exact ? p.teacher.cols : 0, space) {}
};

/// A block compares so many ids, one a thread, with 16 columns of a sequence.
template <grid Device, class T, class S>
struct column_costs_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.row_threads;
  static constexpr int columns = 16, tile = 32;  ///< pairs of a tile are summed by themselves
  struct student {
    index_t row;  ///< -1: all probabilities are 0
    T top, rate, share;
  };
  struct shared {
    student of[tile];
    alignas(16) T teacher[tile][columns];
    bool counts[tile];
  };
  match_columns<T, S, memory> p;
  matching_scratch<T, memory> scratch;
  aligned_pairs<memory> pairs;
  index_t first_sequence;
  std::uint64_t* findings;

  index_t chunks() const { return blocks_for(p.logits.cols + 1, threads); }
  index_t groups() const { return blocks_for(p.teacher.cols, columns); }

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const chunks = blocks_for(p.logits.cols + 1, threads);
    index_t const groups = blocks_for(p.teacher.cols, columns);
    index_t const v = block.index() % chunks * threads + block.thread();
    index_t const first = block.index() / chunks % groups * columns;
    index_t const n = block.index() / chunks / groups, b = first_sequence + n;
    T cost[columns] = {};
    for (index_t begin = pairs.offset()(b); begin < pairs.offset()(b + 1); begin += tile) {
      int const count = int(least<index_t>(tile, pairs.offset()(b + 1) - begin));
      block.sync();
      load(block, s, b, begin, count, first);
      block.sync();
      T part[columns] = {};
      for (int m = 0; m < count; ++m) {
        if (!s.counts[m]) continue;
        T const x = v < p.logits.cols ? probability(s.of[m], v) : T(0);
        MLOT_UNROLL
        for (int c = 0; c < columns; ++c) {
          using std::abs;
          part[c] += abs(s.teacher[m][c] - x);
        }
      }
      MLOT_UNROLL
      for (int c = 0; c < columns; ++c) cost[c] += part[c];
    }
    if (v > p.logits.cols) return;
    MLOT_UNROLL
    for (int c = 0; c < columns; ++c)
      if (first + c < p.teacher.cols)
        scratch.value(n * p.teacher.cols + first + c, v) =
            cost[c] < infinity<T> ? -cost[c] : -infinity<T>;
  }

 private:
  template <class Block>
  MLOT_DEVICE void load(Block& block, shared& s, index_t b, index_t begin, int count,
                        index_t first) const {
    for (int m = block.warp(); m < count; m += Block::warps) {
      auto const pair = pairs.at(b, begin + m);
      bool const counts = pair.student >= 0;
      for (int c = block.lane(); c < columns; c += 32)
        s.teacher[m][c] =
            counts && first + c < p.teacher.cols ? p.teacher(pair.teacher, first + c) : T(0);
      if (block.lane() > 0) continue;
      s.counts[m] = counts;
      s.of[m] = counts ? student_at(block, pair.student) : student{-1, T(0), T(0), T(0)};
      if (!counts && pairs.given()) report(block, findings, finding::pairs, begin + m);
    }
  }
  template <class Block>
  MLOT_DEVICE student student_at(Block& block, index_t j) const {
    index_t const r = p.tokens.row(j);
    T const tau = p.temperature(j), partition = p.partition(j), top = p.maximum(j);
    if (r >= p.logits.rows) report(block, findings, finding::row, j);
    if (!is_temperature(tau)) report(block, findings, finding::temperature, j);
    bool const exists = r >= 0 && r < p.logits.rows && is_temperature(tau) && partition > T(0) &&
                        top > -infinity<T>;
    if (!exists) return {-1, T(0), T(0), T(0)};
    return {r, top, rate_of(tau), T(1) / partition};
  }
  MLOT_DEVICE T probability(student const& of, index_t v) const {
    if (of.row < 0) return T(0);
    return power_of_two(T((load_as<T>(p.logits(of.row, v)) - of.top) * of.rate)) * of.share;
  }
};

/// One block a sequence: one column after another takes the free id that costs least.
template <grid Device, class T, class S>
struct match_greedily_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  match_columns<T, S, memory> p;
  matching_scratch<T, memory> scratch;
  index_t first_sequence;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const n = block.index(), b = first_sequence + n, k = p.teacher.cols;
    auto const taken = scratch.first_edge.row(n);
    for (index_t v = block.thread(); v < taken.size; v += threads) taken(v) = 0;
    block.sync();
    double objective = 0;
    for (index_t l = 0; l < k; ++l) {
      auto const ids = scratch.ids.row(n * k + l);
      auto const value = scratch.value.row(n * k + l);
      index_t own = k;  // the first of this thread's ids that is free
      for (index_t e = block.thread(); e < k && own == k; e += threads)
        if (index_t const v = ids(e); v >= 0 && value(v) > -infinity<T> && taken(v) == 0) own = e;
      index_t const e = -block.all(-own, maximum()), v = e < k ? ids(e) : -1;
      if (block.thread() == 0) {
        if (v < 0 && l < p.logits.cols) report(block, findings, finding::matching, b);
        if (v >= 0) taken(v) = 1;
        p.ids(b, l) = v;
      }
      objective -= double(value(v >= 0 ? v : p.logits.cols));
      block.sync();
    }
    if (block.thread() == 0 && !p.objective.empty()) p.objective(b) = T(objective);
  }
};

/// One block a sequence: the assignment of least cost. Ids from V on are those of columns without.
template <grid Device, class T, class S>
struct match_exactly_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  static constexpr bool alone = true;
  using assignment = block_assignment<memory>;
  using shared = typename assignment::shared;
  match_columns<T, S, memory> p;
  matching_scratch<T, memory> scratch;
  index_t first_sequence;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const n = block.index(), b = first_sequence + n, k = p.teacher.cols;
    auto const first = scratch.first_edge.row(n);
    for (index_t v = block.thread(); v < first.size; v += threads) first(v) = ~std::uint64_t(0);
    block.sync();
    for (index_t e = block.thread(); e < k * k; e += threads)
      if (index_t const v = id(n, e); v < first.size) block.lower(first(v), std::uint64_t(e));
    block.sync();
    assignment all{scratch.assignment, n};
    for (index_t e = block.thread(); e < k * k; e += threads) {
      index_t const v = id(n, e);
      T const value = scratch.value(n * k + e / k, least(v, first.size));
      all.set_edge(e, v < first.size ? index_t(first(v)) : e % k, -double(value));
    }
    block.sync();
    bool const found = all.solve(block, s);
    double objective = 0;
    for (index_t l = block.thread(); l < k; l += threads) {
      index_t const e = found ? all.edge(l) : -1, v = e < 0 ? first.size : id(n, l * k + e);
      p.ids(b, l) = v < first.size ? v : -1;
      objective -= double(scratch.value(n * k + l, least(v, first.size)));
    }
    objective = block.all(objective, plus());
    if (block.thread() > 0) return;
    if (!found) report(block, findings, finding::matching, b);
    if (!p.objective.empty()) p.objective(b) = T(objective);
  }

 private:
  /// Of edge e % K of column e / K. Those past the vocabulary begin where its ids end.
  MLOT_DEVICE index_t id(index_t n, index_t e) const {
    index_t const k = p.teacher.cols, v = scratch.ids(n * k + e / k, e % k);
    return v >= 0 ? v : p.logits.cols + e % k;
  }
};

/// The top columns of costs, with the scratch that is left.
template <class T, class Memory>
top_columns<T, Memory> cheapest_ids_of(matching_scratch<T, Memory> const& scratch,
                                       index_t sequences, index_t k) {
  return {.mass = scratch.of_ids().row_range(0, sequences * k),
          .ids = scratch.ids.row_range(0, sequences * k)};
}

template <grid Device, real T, storage S>
std::size_t scratch_size(Device device, match_columns<T, S, typename Device::memory> const& p) {
  arena<typename Device::memory> space;
  matching_scratch<T, typename Device::memory> const scratch(p, space);
  return space.bytes() +
         scratch_size(device, cheapest_ids_of(scratch, scratch.sequences(), p.teacher.cols));
}

template <grid Device, real T, storage S>
status run(Device device, match_columns<T, S, typename Device::memory> const& p,
           workspace<typename Device::memory> lent) {
  using memory = typename Device::memory;
  launches<Device> launch(device);
  arena<memory> space(lent);
  matching_scratch<T, memory> const scratch(p, space);
  aligned_pairs<memory> const pairs{p.pairs, p.teacher_offset, p.tokens.offset, p.tokens.tokens()};
  index_t const k = p.teacher.cols, sequences = p.tokens.sequences();
  for (index_t first = 0, count; first < sequences; first += count) {
    count = least(scratch.sequences(), sequences - first);
    column_costs_kernel<Device, T, S> const costs{p, scratch, pairs, first, device.findings};
    launch(count * costs.groups() * costs.chunks(), costs);
    auto const cheapest = cheapest_ids_of(scratch, count, k);
    launch.also(run(device, cheapest, space.rest(scratch_size(device, cheapest))));
    if (p.rule == matching_rule::greedy)
      launch(count, match_greedily_kernel<Device, T, S>{p, scratch, first, device.findings});
    else
      launch(count, match_exactly_kernel<Device, T, S>{p, scratch, first, device.findings});
  }
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
