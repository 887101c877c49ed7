#pragma once
#include <algorithm>

#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/row_blocks.hpp"
/// What the iterations and their gradient share: rows of the kernel, and the sweep.
namespace mlot::on {
/// A problem's numbers in lanes.
template <class Batch>
struct problem_lanes {
  using T = typename Batch::value_type;
  sinkhorn_problem<T> const& problem;
  Batch rate = Batch(T(-1) / problem.p.epsilon);

  Batch cost(index_t i, index_t j, auto which) const {
    return load_lanes<Batch>(&problem.cost(i, j), which);
  }
  /// Row i of the Gibbs kernel exp(-C / epsilon).
  void write_kernel_row(index_t i, T* kernel) const {
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      store_lanes(kernel + j, exponential(Batch(cost(i, j, which) * rate)), which);
    });
  }
  /// -C / epsilon + other: an exponent of the log domain.
  Batch exponent(index_t i, index_t j, auto which, Batch const& other) const {
    return multiply_add(cost(i, j, which), rate, other);
  }
  /// 0 outside the row.
  Batch column_marginal(index_t j, auto which) const {
    constexpr bool all = std::same_as<decltype(which), all_lanes>;
    if (all && problem.p.column_marginal.each.empty()) return Batch(problem.p.column_marginal.one);
    alignas(64) T lane[Batch::size] = {};
    index_t const last = std::min<index_t>(Batch::size, problem.columns - j);
    for (index_t l = 0; l < last; ++l) lane[l] = problem.b_of(j + l);
    return Batch::load_aligned(lane);
  }
};

/// numerator / marginal where the marginal has mass, 0 elsewhere.
template <class Batch>
Batch share_in_lanes(Batch const& numerator, Batch const& marginal) {
  return xsimd::select(marginal > Batch(0), Batch(numerator / marginal), Batch(0));
}
template <class T>
T share_of(T numerator, T denominator) {
  return denominator > T(0) ? T(numerator / denominator) : T(0);
}

/// Some rows of a sweep over a kernel K:
///   dot(i) = sum_j K(i, j) in(j),   weight(i) = weigh(i, dot(i)),   out(j) += weight(i) K(i, j)
/// prepare(i) is called before row i is read.
template <class Batch, class T, class Prepare, class Weigh>
void sweep(matrix_view<T const, host_memory> kernel, index_t begin, index_t end, T const* in,
           T* out, Prepare prepare, Weigh weigh) {
  for_row_groups(begin, end, [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
    for (index_t r = 0; r < Rows; ++r) prepare(i + r);
    Batch dot[Rows], weight[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(kernel.cols, [&](index_t j, auto which) {
      Batch const x = load_lanes<Batch>(in + j, which);
      for (index_t r = 0; r < Rows; ++r)
        dot[r] = multiply_add(load_lanes<Batch>(&kernel(i + r, j), which), x, dot[r]);
    });
    for (index_t r = 0; r < Rows; ++r) weight[r] = Batch(T(weigh(i + r, lane_sum(dot[r]))));
    for_lanes<Batch>(kernel.cols, [&](index_t j, auto which) {
      Batch sum = load_lanes<Batch>(out + j, which);
      for (index_t r = 0; r < Rows; ++r)
        sum = multiply_add(weight[r], load_lanes<Batch>(&kernel(i + r, j), which), sum);
      store_lanes(out + j, sum, which);
    });
  });
}
}  // namespace mlot::on
