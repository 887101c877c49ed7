#pragma once
#include <algorithm>

#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// The tables of a batch as the cost's kernels read them. The student's is turned, so that lanes
/// run over its tokens, and cut into panels: some tokens of one problem, (K, width), in one piece.
/// A panel stays in the first-level cache while teacher rows go by, whatever the number of tokens
/// (a whole turned table of 4096 tokens would have all its rows compete for the same places there).
/// Stored numbers become T on the way.
template <real T, storage Table>
struct turned_tables {
  static constexpr index_t width = 256 / index_t(sizeof(T));
  static constexpr bool converts = !std::same_as<T, Table>;
  index_t k;
  matrix_view<T, host_memory> panels;  ///< (panels of all problems, K width)
  matrix_view<T, host_memory> copy;  ///< of the teacher's table, where it is stored as another type

  [[gnu::noinline]] turned_tables(problem_batch<host_memory> const& batch, index_t columns,
                                  arena<host_memory>& space)
      : k(columns),
        panels(space.matrix<T>(batch.columns / width + batch.problems(), columns * width)),
        copy(space.matrix<T>(converts ? batch.rows : 0, columns)) {}

  /// Columns n width .. of problem b, which has n width < column_count(b).
  T* panel(problem_batch<host_memory> const& batch, index_t b, index_t n) const {
    return &panels(batch.column_offset(b) / width + b + n, 0);
  }
  matrix_view<T const, host_memory> teacher(matrix_view<Table const, host_memory> from) const {
    if constexpr (converts)
      return copy;
    else
      return from;
  }
  [[gnu::noinline]] void prepare(problem_batch<host_memory> const& batch,
                                 matrix_view<Table const, host_memory> teacher,
                                 matrix_view<Table const, host_memory> student) const {
    index_t const most = (batch.longest_row + width - 1) / width;  // panels of a problem
    parallel_for(batch.problems() * most, 8, batch.columns * k, [&](index_t at) {
      index_t const b = at / most, n = at % most;
      index_t const count = (std::min)(width, batch.column_count(b) - n * width);
      index_t const first = batch.column_offset(b) + n * width;
      for (index_t l = 0; l < k && count > 0; ++l)
        for (index_t j = 0; j < count; ++j)
          panel(batch, b, n)[l * width + j] = load_as<T>(student(first + j, l));
    });
    if constexpr (converts)
      parallel_for(batch.rows, 16, batch.rows * k, [&](index_t i) {
        for (index_t l = 0; l < k; ++l) copy(i, l) = load_as<T>(teacher(i, l));
      });
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
