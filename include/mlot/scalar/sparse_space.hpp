#pragma once
#include "mlot/core/workspace.hpp"
namespace mlot::MLOT_SET::scalar {
/// What a thread works in. Outcomes are the listed ids, then all others as one.
template <real T>
struct sparse_space {
  vector_view<T, host_memory> others;        ///< (n) the student's logits, -inf at the listed ids
  vector_view<T, host_memory> sum;           ///< (n) a row of the gradient
  vector_view<T, host_memory> logit;         ///< (K + 1) the student's
  vector_view<T, host_memory> log_q, log_p;  ///< (K + 1)
  vector_view<T, host_memory> slope;         ///< (K + 1) p h
  vector_view<index_t, host_memory> order;   ///< (K + 1)
};
/// The spaces of all threads.
template <real T>
struct sparse_spaces {
  static constexpr index_t line = 64;  ///< elements: rows begin on cache lines
  matrix_view<T, host_memory> wide, narrow;
  matrix_view<index_t, host_memory> order;
  index_t n, outcomes;

  template <class Primitive>
  sparse_spaces(Primitive const& p, index_t threads, arena<host_memory>& space)
      : wide(space.matrix<T>(2 * threads, rounded(p.student_logits.cols))),
        narrow(space.matrix<T>(4 * threads, rounded(p.teacher.ids.cols + 1))),
        order(space.matrix<index_t>(threads, rounded(p.teacher.ids.cols + 1))),
        n(p.student_logits.cols),
        outcomes(p.teacher.ids.cols + 1) {}
  sparse_space<T> of(index_t thread) const {
    auto const first = [](auto row, index_t size) {
      row.size = size;
      return row;
    };
    auto const of_outcomes = [&](index_t r) { return first(narrow.row(4 * thread + r), outcomes); };
    return {first(wide.row(2 * thread), n),
            first(wide.row(2 * thread + 1), n),
            of_outcomes(0),
            of_outcomes(1),
            of_outcomes(2),
            of_outcomes(3),
            first(order.row(thread), outcomes)};
  }

 private:
  static constexpr index_t rounded(index_t size) { return (size + line - 1) / line * line; }
};
}  // namespace mlot::MLOT_SET::scalar
