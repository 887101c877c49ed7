#pragma once
#include <type_traits>

#include "mlot/core/view.hpp"
#include "mlot/core/workspace.hpp"
/// Lanes read rows whose elements are adjacent. Where a view's are not (a table that lies column by
/// column), the call works on a copy in its scratch: one set of kernels, and the same bits, for
/// every stride.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
template <class T>
[[gnu::noinline, gnu::cold]] void copy_matrix(matrix_view<T const, host_memory> from,
                                              matrix_view<T, host_memory> to) {
  for (index_t i = 0; i < to.rows; ++i)
    for (index_t j = 0; j < to.cols; ++j) to(i, j) = from(i, j);
}

/// A matrix as it is, or a copy of it.
template <class T>
struct packed_matrix {
  using number = std::remove_const_t<T>;
  matrix_view<T, host_memory> given;
  bool copied = given.cols > 1 && given.col_stride != 1;
  matrix_view<number, host_memory> copy{};
  packed_matrix(matrix_view<T, host_memory> const& m, arena<host_memory>& space) : given(m) {
    if (copied) copy = space.matrix<number>(m.rows, m.cols);
  }
  matrix_view<T, host_memory> view() const {
    return copied && given.data != nullptr ? matrix_view<T, host_memory>(copy) : given;
  }
  /// Before the view is read, or written in part.
  void load() const {
    if (copied && given.data != nullptr) copy_matrix<number>(given, copy);
  }
  /// After it was written.
  void store() const {
    if (copied && given.data != nullptr) copy_matrix<number>(copy, given);
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
