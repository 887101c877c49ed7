#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/simd/cost_rows.hpp"
/// What the iterations and their gradient share.
namespace mlot::on {
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
  constexpr bool all = std::same_as<decltype(which), all_lanes>;
  if (all && problem.p.column_marginal.each.empty()) return Batch(problem.p.column_marginal.one);
  alignas(64) typename Batch::value_type lane[Batch::size] = {};
  index_t const last = std::min<index_t>(Batch::size, problem.columns - j);
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

/// Row i of block k of a kernel.
template <class Source, class T, class Entry>
void write_kernel_row(Source const& source, index_t k, index_t i, T* kernel, Entry entry) {
  using batch = decltype(source.rate);
  auto const costs = source.rows(k, i);
  for_lanes<batch>(source.problem.columns, [=](index_t j, auto which) {
    store_lanes(kernel + j, entry(costs, i, j, which), which);
  });
}

/// Some rows of a sweep over a kernel K with `columns` columns:
///   dot(i) = sum_j K(i, j) in(j),   weight(i) = weigh(i, dot(i)),   out(j) += weight(i) K(i, j)
/// rows_of(i, count) answers rows i .. i + count - 1 of K.
template <class Batch, class T, class RowsOf, class Weigh>
void sweep(index_t columns, index_t begin, index_t end, T const* in, T* out, RowsOf rows_of,
           Weigh weigh) {
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
    for (index_t r = 0; r < Rows; ++r) weight[r] = Batch(T(weigh(i + r, lane_sum(dot[r]))));
    for_lanes<Batch>(columns, [&](index_t j, auto which) {
      Batch sum = load_lanes<Batch>(out + j, which);
      for (index_t r = 0; r < Rows; ++r)
        sum = multiply_add(weight[r],
                           load_lanes<Batch>(kernel.first + r * kernel.stride + j, which), sum);
      store_lanes(out + j, sum, which);
    });
  });
}
}  // namespace mlot::on
