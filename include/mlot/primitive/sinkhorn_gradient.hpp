#pragma once
#include "mlot/primitive/sinkhorn.hpp"
#include "mlot/primitive/sinkhorn_derivative.hpp"
namespace mlot::MLOT_SET {
/// What the system of derivative::implicit came to; each is written where it has memory.
template <real T, class Memory>
struct sinkhorn_solution {
  vector_view<T, Memory> residual{};  ///< (B) || M (x, y) - (r, c) || / || (r, c) ||, as computed
  vector_view<index_t, Memory> iterations{};  ///< (B) as Eigen counts them, 0: solved directly

  constexpr status check(index_t problems, bool solves) const {
    char const* const allowed = solves ? "one element a problem" : "no memory: nothing is solved";
    index_t const size = solves ? problems : 0;
    return requirement()
        .optional("sinkhorn_solution.residual", residual, size, allowed)
        .optional("sinkhorn_solution.iterations", iterations, size, allowed)
        .answer();
  }
};

/// The gradient of a Sinkhorn problem, in the sense that Derivative gives the word:
/// mlot/primitive/sinkhorn_derivative.hpp says what the others compute. By default it is
/// the exact derivative of `distance` through all N iterations, from the scaling vectors alone:
/// cost_gradient = dSD / dC. With P(q, r) = diag(u^q) K diag(v^r), log-adjoints alpha (of log u)
/// and beta (of log v), and alpha = (P o C) 1, beta = (P o C)^T 1 to begin with, for r = N .. 1:
///
///   x^r = beta / (P(r, r)^T 1);    alpha -= P(r, r) x^r
///   y^r = alpha / (P(r, r-1) 1);   beta = -P(r, r-1)^T y^r;   alpha = 0
///
///   dSD/dC = P - (1 / epsilon) { P o C - sum_r [ P(r, r) diag(x^r) + diag(y^r) P(r, r-1) ] }
///
/// and with respect to the marginals dSD/da = sum_r y^r, dSD/db = sum_r x^r (v^0 is a constant).
/// P(r, r)^T 1 is b and P(r, r-1) 1 is a, but for the rounding of P's entries: numerics.md.
/// Every number stays bounded in every domain. Memory O(N (rows + columns)), no N matrices as
/// automatic differentiation needs. cost_gradient must not overlap cost.
/// Accuracy: equal to central differences and to dual numbers, double 1e-10, float 1e-5 of the
/// norm up to C / epsilon = 20: tests/primitive/sinkhorn_test.cpp; beyond, 16 roundings times
/// 1 + C / epsilon, and twice that in the logarithmic domain:
/// tests/primitive/sinkhorn_extremes_test.cpp. The other derivatives:
/// tests/primitive/sinkhorn_fixed_point_test.cpp.
/// Source: docs/numerics.md, "Through the iterations".
template <real T, class Memory, class Derivative = derivative::unrolled>
struct sinkhorn_gradient {
  using memory = Memory;
  sinkhorn<T, Memory> of{};                           ///< as in the forward; plan is not read
  matrix_view<T, Memory> cost_gradient{};             ///< (row tokens, >= longest_row) written
  vector_view<T, Memory> row_marginal_gradient{};     ///< (row tokens) written, or no memory
  vector_view<T, Memory> column_marginal_gradient{};  ///< (column tokens) written, or no memory
  [[no_unique_address]] Derivative how{};
  sinkhorn_solution<T, Memory> solution{};  ///< of derivative::implicit: written as asked for

  constexpr status check() const {
    return of.inputs()
        .also(how.check())
        .count(derivative::reads_history<Derivative>(of.history.row_scaling.rows, of.iterations),
               "sinkhorn_gradient.of.history.row_scaling", of.history.row_scaling.rows,
               of.iterations, "rows", derivative::history_allowed<Derivative>)
        .at_least("sinkhorn_gradient.cost_gradient", cost_gradient, of.batch.rows,
                  of.batch.longest_row, "one row a row token, longest_row columns")
        .optional("sinkhorn_gradient.row_marginal_gradient", row_marginal_gradient, of.batch.rows,
                  "one element a row token")
        .count(how.of_marginals || row_marginal_gradient.empty(),
               "sinkhorn_gradient.row_marginal_gradient", row_marginal_gradient.size, -1,
               "elements", "no memory: a constant plan has none")
        .optional("sinkhorn_gradient.column_marginal_gradient", column_marginal_gradient,
                  of.batch.columns, "one element a column token")
        .count(how.of_marginals || column_marginal_gradient.empty(),
               "sinkhorn_gradient.column_marginal_gradient", column_marginal_gradient.size, -1,
               "elements", "no memory: a constant plan has none")
        .also(solution.check(of.batch.problems(), how.solves))
        .answer();
  }
};

/// The same where the cost is computed from tables: the derivative with respect to the student's
/// table, without the matrix dSD/dC in between:
///
///   student_gradient(j, l) = weight(b) sum_i dSD/dC(i, j) slope(t(i, l), s(j, l))
///
/// Memory O(N (rows + columns)) beside the tables' size. student_gradient must not overlap them.
/// Accuracy: as sinkhorn_gradient with pairwise_cost_gradient:
/// tests/primitive/sinkhorn_streaming_test.cpp.
template <real T, class Memory, class Ground = absolute_difference,
          class Derivative = derivative::unrolled, storage Table = T>
struct sinkhorn_table_gradient {
  using memory = Memory;
  sinkhorn<T, Memory, table_cost<T, Memory, Ground, Table>> of{};  ///< as in the forward
  one_or_each<T, Memory> weight{T(1)};                             ///< one, or (B) each
  matrix_view<T, Memory> student_gradient{};                       ///< (column tokens, K) written
  vector_view<T, Memory> row_marginal_gradient{};     ///< (row tokens) written, or no memory
  vector_view<T, Memory> column_marginal_gradient{};  ///< (column tokens), or no memory
  [[no_unique_address]] Derivative how{};
  sinkhorn_solution<T, Memory> solution{};  ///< of derivative::implicit: written as asked for

  constexpr status check() const {
    return of.inputs()
        .also(how.check())
        .count(derivative::reads_history<Derivative>(of.history.row_scaling.rows, of.iterations),
               "sinkhorn_table_gradient.of.history.row_scaling", of.history.row_scaling.rows,
               of.iterations, "rows", derivative::history_allowed<Derivative>)
        .weights("sinkhorn_table_gradient.weight", weight, of.batch.problems(),
                 "one element a problem")
        .matrix("sinkhorn_table_gradient.student_gradient", student_gradient, of.batch.columns,
                of.cost.student.cols, "the shape of the student's table")
        .optional("sinkhorn_table_gradient.row_marginal_gradient", row_marginal_gradient,
                  of.batch.rows, "one element a row token")
        .count(how.of_marginals || row_marginal_gradient.empty(),
               "sinkhorn_table_gradient.row_marginal_gradient", row_marginal_gradient.size, -1,
               "elements", "no memory: a constant plan has none")
        .optional("sinkhorn_table_gradient.column_marginal_gradient", column_marginal_gradient,
                  of.batch.columns, "one element a column token")
        .count(how.of_marginals || column_marginal_gradient.empty(),
               "sinkhorn_table_gradient.column_marginal_gradient", column_marginal_gradient.size,
               -1, "elements", "no memory: a constant plan has none")
        .also(solution.check(of.batch.problems(), how.solves))
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
