#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <concepts>

#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/scalar/device.hpp"
#include "mlot/simd/parallel.hpp"
/// Dense matrix products, by Eigen 3.4. In no umbrella: it needs Eigen, and Eigen allocates.
namespace mlot::MLOT_SET {
/// The same elements with rows for columns.
template <class T, class Memory>
constexpr matrix_view<T, Memory> transposed(matrix_view<T, Memory> const& m) {
  return {m.data, m.cols, m.rows, m.col_stride, m.row_stride};
}

/// A product of two matrices, or a sum to which it is added:
///
///   out(i, j) = [adds] out(i, j) + sum_l left(i, l) right(l, j)
///
/// In every matrix rows or columns lie without gaps, in `out` rows: their elements are 1 apart.
/// `out` overlaps neither of the others. The sum is Eigen's, in T. The result is cut into pieces
/// that depend on its shape alone, and each is computed on one thread: same bits for any number of
/// threads, unless a program calls Eigen::setNbThreads. The scalar device keeps to the calling
/// thread, the others deal the pieces out. Accuracy: depth + 2 eps of the sum of absolute products:
/// tests/interop/matrix_product_test.cpp.
template <real T, class Memory = host_memory>
struct matrix_product {
  using memory = Memory;
  matrix_view<T const, Memory> left{};   ///< (rows, depth)
  matrix_view<T const, Memory> right{};  ///< (depth, cols)
  matrix_view<T, Memory> out{};          ///< (rows, cols) written
  bool adds = false;

  template <class U>
  static constexpr bool rows_without_gaps(matrix_view<U, Memory> const& m) {
    return m.col_stride == 1 || m.cols <= 1;
  }
  constexpr status check() const {
    requirement all;
    all.usable("matrix_product.left", left)
        .matrix("matrix_product.right", right, left.cols, right.cols,
                "as many rows as left has columns")
        .matrix("matrix_product.out", out, left.rows, right.cols, "rows of left, columns of right")
        .that(rows_without_gaps(left) || rows_without_gaps(transposed(left)), fault::shape,
              "matrix_product.left", double(left.col_stride), "rows or columns without gaps")
        .that(rows_without_gaps(right) || rows_without_gaps(transposed(right)), fault::shape,
              "matrix_product.right", double(right.col_stride), "rows or columns without gaps")
        .that(rows_without_gaps(out), fault::shape, "matrix_product.out", double(out.col_stride),
              "rows without gaps");
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET

namespace mlot::MLOT_SET::scalar::MLOT_THREADS {
/// While it lives, parallel regions that this thread opens have one thread: Eigen's own cut of a
/// product would depend on their number.
class one_thread_for_eigen {
 public:
#ifdef _OPENMP
  one_thread_for_eigen() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~one_thread_for_eigen() { omp_set_num_threads(before_); }
  one_thread_for_eigen(one_thread_for_eigen const&) = delete;

 private:
  int before_;
#else
  one_thread_for_eigen() {}  // not trivial, so that it is no unused variable
#endif
};

/// Calls body(i) for 0 <= i < count, where no call writes what another reads: on the calling thread
/// for the scalar device, on OpenMP's for the others where `work` is worth them.
template <std::derived_from<device> Device, class Body>
void for_each_piece(Device, index_t count, index_t work, Body body) {
  if constexpr (std::same_as<Device, device>)
    for (index_t i = 0; i < count; ++i) body(i);
  else
    simd::parallel_for(count, 1, work, body);
}

template <class T, int Order>
using eigen_map = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order> const,
                             Eigen::Unaligned, Eigen::OuterStride<>>;

/// use(m) with the view as a matrix of Eigen.
template <class T, class Use>
void with_eigen(matrix_view<T const, host_memory> const& m, Use use) {
  if (matrix_product<T>::rows_without_gaps(m))
    use(eigen_map<T, Eigen::RowMajor>(m.data, m.rows, m.cols, Eigen::OuterStride<>(m.row_stride)));
  else
    use(eigen_map<T, Eigen::ColMajor>(m.data, m.rows, m.cols, Eigen::OuterStride<>(m.col_stride)));
}

template <std::derived_from<device> Device, real T>
status run(Device device, matrix_product<T, host_memory> const& p, workspace<host_memory>) {
  static_assert(std::floating_point<T>, "mlot: Eigen multiplies built-in types");
  constexpr index_t most_rows = 128, most_columns = 256;  // of a piece
  index_t const across = (p.out.cols + most_columns - 1) / most_columns;
  index_t const pieces = (p.out.rows + most_rows - 1) / most_rows * across;
  for_each_piece(device, pieces, p.out.rows * p.out.cols * p.left.cols, [=](index_t piece) {
    one_thread_for_eigen const guard;
    index_t const i = piece / across * most_rows, j = piece % across * most_columns;
    index_t const rows = (std::min)(most_rows, p.out.rows - i);
    index_t const columns = (std::min)(most_columns, p.out.cols - j);
    Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, Eigen::Unaligned,
               Eigen::OuterStride<>>
        out(&p.out(i, j), rows, columns, Eigen::OuterStride<>(p.out.row_stride));
    with_eigen<T>(p.left.row_range(i, rows), [&](auto const& left) {
      with_eigen<T>(transposed(transposed(p.right).row_range(j, columns)), [&](auto const& right) {
        if (p.adds)
          out.noalias() += left * right;
        else
          out.noalias() = left * right;
      });
    });
  });
  return {};
}
}  // namespace mlot::MLOT_SET::scalar::MLOT_THREADS
