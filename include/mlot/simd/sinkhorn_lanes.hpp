#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/simd/cost_rows.hpp"
/// What the iterations and their gradient share.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// The absorbed domain's centres (row 0) and factors (row 1) of all problems.
template <class T>
struct absorption_scratch {
  matrix_view<T, host_memory> row, column;  ///< (2, row tokens), (2, column tokens)
  absorption_scratch(problem_batch<host_memory> const& batch, arena<host_memory>& space)
      : row(space.matrix<T>(2, batch.rows)), column(space.matrix<T>(2, batch.columns)) {}
};

/// Lanes of b, 0 outside the problem.
template <class Batch, class Problem>
Batch column_marginal(Problem const& problem, index_t j, auto which) {
  using T = typename Batch::value_type;
  auto const& marginal = problem.p.column_marginal;
  if (marginal.each.stride == 1 && !marginal.each.empty())
    return load_lanes<Batch>(&marginal.each(problem.column_first + j), which);
  if (marginal.each.empty()) return lanes_within(Batch(marginal.one), which);
  alignas(64) T lane[Batch::size] = {};
  index_t const last = (std::min<index_t>)(Batch::size, problem.columns - j);
  for (index_t l = 0; l < last; ++l) lane[l] = problem.b_of(j + l);
  return Batch::load_aligned(lane);
}

/// numerator / marginal where the marginal has mass, 0 elsewhere.
template <class Batch>
Batch share_in_lanes(Batch const& numerator, Batch const& marginal) {
  return xsimd::select(marginal > Batch(0), Batch(numerator / marginal), Batch(0));
}
template <class T>
T share_of(T numerator, T denominator) {
  return denominator > T(0) ? T(numerator / denominator) : T(0);
}

/// Entries of dSD/dC: what all derivatives answer, some rows (of one block) and columns at a time.
/// rows of a stored kernel are `out` itself.
template <class Batch>
struct entry_writer {
  using T = typename Batch::value_type;
  void const* self;
  void (*write)(void const* self, cost_rows<Batch> costs, index_t k, index_t i, index_t rows,
                index_t first, index_t width, T* out, index_t stride);
};

/// Row i of exp(-C / epsilon), `width` columns from `first` on.
template <class Batch, class T>
[[gnu::noinline, gnu::flatten]] void write_gibbs_row(cost_rows<Batch> costs, index_t i,
                                                     index_t first, index_t width, T* out) {
  for_lanes<Batch>(width, [=](index_t at, auto which) {
    store_lanes(out + at, costs.kernel(i, first + at, which), which);
  });
}

/// Some rows of a sweep over a kernel K with `columns` columns:
///   dot(i) = sum_j K(i, j) in(j),   weight(i) of dot(i),   out(j) += weight(i) K(i, j)
/// rows_of(i, count) answers rows i .. i + count - 1 of K; weigh(i, count, x) makes of their dots
/// x[0] .. their weights.
template <class Batch, class T, class RowsOf, class Weigh>
[[gnu::noinline, gnu::flatten]] void sweep(index_t columns, index_t begin, index_t end, T const* in,
                                           T* out, RowsOf rows_of, Weigh weigh) {
  for_row_groups(begin, end, [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
    strided_rows<T> const kernel = rows_of(i, Rows);
    Batch dot[Rows], weight[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(columns, [&](index_t j, auto which) {
      Batch const x = load_lanes<Batch>(in + j, which);
      for (index_t r = 0; r < Rows; ++r)
        dot[r] =
            multiply_add(load_lanes<Batch>(kernel.first + r * kernel.stride + j, which), x, dot[r]);
    });
    T factor[Rows];
    for (index_t r = 0; r < Rows; ++r) factor[r] = lane_sum(dot[r]);
    weigh(i, Rows, factor);
    for (index_t r = 0; r < Rows; ++r) weight[r] = Batch(factor[r]);
    for_lanes<Batch>(columns, [&](index_t j, auto which) {
      Batch sum = load_lanes<Batch>(out + j, which);
      for (index_t r = 0; r < Rows; ++r)
        sum = multiply_add(weight[r],
                           load_lanes<Batch>(kernel.first + r * kernel.stride + j, which), sum);
      store_lanes(out + j, sum, which);
    });
  });
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
