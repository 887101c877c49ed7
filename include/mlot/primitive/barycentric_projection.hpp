#pragma once
#include "mlot/primitive/sinkhorn.hpp"
namespace mlot::MLOT_SET {
/// Where the plan of a finished sinkhorn sends each row token: the mean of the points of the column
/// tokens, weighed by its row of the plan.
///
///   out(i, l) = sum_j P(i, j) points(j, l) / sum_j P(i, j)     [the points' unit]
///
/// Colours, positions and embeddings are carried over this way. `out` lies within the range of the
/// problem's points, up to rounding; weighed by P's row sums its mean is that of the points weighed
/// by b. Rows of P without mass, problems without columns among them, get 0.
/// P's rows are made one at a time in scratch memory: no plan. The forward must have answered ok.
/// A point that is NaN or infinite answers fault::data (host devices). `out` must not overlap what
/// is read. Accuracy: relative to the norm of `out`, float 1e-6, double 1e-14 at C / epsilon <= 20:
/// tests/primitive/barycentric_projection_test.cpp. Same bits for any number of threads.
/// Source: Ferradans, Papadakis, Peyre and Aujol, Regularized discrete optimal transport (2014).
template <real T, class Memory, class Cost = matrix_view<T const, Memory>>
struct barycentric_projection {
  using memory = Memory;
  sinkhorn<T, Memory, Cost> of{};  ///< as in the forward; of its history the last row is enough
  matrix_view<T const, Memory> points{};  ///< (column tokens, D)
  matrix_view<T, Memory> out{};           ///< (row tokens, D) written

  constexpr status check() const {
    return of.inputs()
        .count(of.history.row_scaling.rows == 1 || of.history.row_scaling.rows == of.iterations,
               "barycentric_projection.of.history.row_scaling", of.history.row_scaling.rows,
               of.iterations, "rows", "1 row, or one an iteration")
        .matrix("barycentric_projection.points", points, of.batch.columns, points.cols,
                "one row a column token")
        .matrix("barycentric_projection.out", out, of.batch.rows, points.cols,
                "one row a row token, as many columns as points")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
