#pragma once
#include <algorithm>

#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/scalar/sort_indices.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
/// How the transport kernels share their work. A problem's rows are cut into blocks; every block
/// has its own column sums, and these are added block by block. So sums over rows do not depend on
/// which thread took which block.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
inline constexpr index_t least_block_rows = 64, most_blocks = 32;

/// Scratch of every block of a batch: its column sums, a row to work in, and its share of a total.
template <class T>
struct block_scratch {
  bool short_problems;  ///< then they have fewer blocks than most_blocks on average
  matrix_view<T, host_memory> sums, row;
  vector_view<double, host_memory> total;
  [[gnu::noinline]] block_scratch(problem_batch<host_memory> const& batch,
                                  arena<host_memory>& space)
      : short_problems(batch.rows / least_block_rows < (most_blocks - 1) * batch.problems()),
        sums(space.matrix<T>(first(batch.problems(), batch.rows), batch.longest_row)),
        row(space.matrix<T>(sums.rows, batch.longest_row)),
        total(space.vector<double>(sums.rows)) {}
  /// For row_blocks::whole, one problem after the other.
  block_scratch(index_t longest_row, arena<host_memory>& space)
      : short_problems(true),
        sums(space.matrix<T>(1, longest_row)),
        row(space.matrix<T>(1, longest_row)),
        total(space.vector<double>(1)) {}
  /// The first block of problem b, whose first row is `row_offset`.
  index_t first(index_t b, index_t row_offset) const {
    return short_problems ? row_offset / least_block_rows + b : most_blocks * b;
  }
};

/// One problem's blocks, seen by one thread of the team that works on it.
template <class Batch>
struct row_blocks {
  using T = typename Batch::value_type;
  block_scratch<T> const& scratch;
  team threads;
  index_t rows, columns, size, count, first;
  row_blocks(problem_batch<host_memory> const& batch, index_t b, block_scratch<T> const& all,
             team const& of)
      : scratch(all),
        threads(of),
        rows(batch.row_count(b)),
        columns(batch.column_count(b)),
        size((std::max)(least_block_rows, (rows + most_blocks - 1) / most_blocks)),
        count((rows + size - 1) / size),
        first(all.first(b, batch.row_offset(b))) {}
  /// All rows in one block, for a thread that takes them alone and in their order.
  static row_blocks whole(problem_batch<host_memory> const& batch, index_t b,
                          block_scratch<T> const& all) {
    row_blocks one(batch, b, all, team{});
    one.size = one.rows;
    one.count = 1;
    one.first = 0;
    return one;
  }

  T* sums(index_t block) const { return &scratch.sums(first + block, 0); }
  T* row(index_t block) const { return &scratch.row(first + block, 0); }
  double& total(index_t block) const { return scratch.total(first + block); }
  index_t begin(index_t block) const { return block * size; }
  index_t end(index_t block) const { return (std::min)(begin(block) + size, rows); }

  /// Calls body(block) for this thread's blocks; backwards in every second pass, so that a pass
  /// begins with what the last one left in the caches.
  template <class Body>
  void for_mine(index_t pass, Body body) const {
    index_t const from = threads.share(count), past = threads.share_end(count);
    for (index_t k = from; k < past; ++k) body(pass % 2 == 0 ? k : from + past - 1 - k);
  }
  /// Calls body(j, which, sum) for this thread's columns, batch by batch, with the sums of all
  /// blocks. Threads meet before and after.
  template <class Body>
  void for_my_columns(Body body) const {
    constexpr index_t line = 64 / index_t(sizeof(T));  // no two threads write one cache line
    index_t const lines = (columns + line - 1) / line;
    index_t const from = (std::min)(threads.share(lines) * line, columns);
    index_t const past = (std::min)(threads.share_end(lines) * line, columns);
    threads.wait();
    for_few_lanes<Batch>(past - from, [&](index_t at, auto which) {
      index_t const j = from + at;
      Batch sum = load_lanes<Batch>(sums(0) + j, which);
      for (index_t k = 1; k < count; ++k) sum += load_lanes<Batch>(sums(k) + j, which);
      body(j, which, sum);
    });
    threads.wait();
  }
  /// Folds the blocks' totals, in order, once all threads have theirs.
  template <class Fold>
  double all_totals(Fold fold) const {
    threads.wait();
    double answer = 0;
    for (index_t k = 0; k < count; ++k) answer = fold(answer, total(k));
    return answer;
  }
};

/// Calls body(i, rows) for the rows begin to end, four at a time, then one at a time. `rows` is a
/// constant: four rows share the loads of what they have in common.
template <class Body>
void for_row_groups(index_t begin, index_t end, Body body) {
  index_t i = begin;
  for (; i + 4 <= end; i += 4) body(i, std::integral_constant<index_t, 4>{});
  for (; i < end; ++i) body(i, std::integral_constant<index_t, 1>{});
}

/// Problems of this many entries are worth a team each; smaller ones are dealt out whole.
inline constexpr index_t least_team_entries = 4 * least_parallel_work;

/// Calls body(b, team) for every problem of a batch: large ones one after the other with all
/// threads, then the others side by side, the largest first. `order` has room for all problems.
MLOT_COMPILED_ONCE inline void for_problems(problem_batch<host_memory> const& batch,
                                            vector_view<index_t, host_memory> order,
                                            index_t work_per_entry,
                                            function_ref<void(index_t, team)> body) {
  auto const entries = [&](index_t b) { return batch.row_count(b) * batch.column_count(b); };
  index_t few = 0, work = 0;
  for (index_t b = 0; b < batch.problems(); ++b)
    if (entries(b) >= least_team_entries) {
      parallel_team(entries(b), [&](team const& threads) { body(b, threads); });
    } else {
      order(few++) = b;
      work += entries(b) * work_per_entry;
    }
  scalar::sort_indices(order.data, few, [&](index_t a, index_t b) {
    return entries(a) > entries(b) || (entries(a) == entries(b) && a < b);
  });
  parallel_for(few, 1, work, [&](index_t n) { body(order(n), team{}); });
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
