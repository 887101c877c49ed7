#pragma once
#include "mlot/core/requirement.hpp"
/// What "the gradient of a Sinkhorn problem" means: the last template argument of
/// sinkhorn_gradient and sinkhorn_table_gradient. P is the plan of the last scalings.
namespace mlot::MLOT_SET::derivative {
/// Of `distance` = <P, C> through all iterations that were done: exact however few they were.
struct unrolled {
  static constexpr bool whole_history = true, of_marginals = true, solves = false;
  constexpr status check() const { return {}; }
};

/// Of `distance` where it is a function of C, a and b alone, the plan being the one that fits the
/// marginals: with a = P 1, b = P^T 1, r = (P o C) 1 and c = (P o C)^T 1
///
///   [ diag(a)    P    ] [x]   [r]
///   [  P^T    diag(b) ] [y] = [c],    dSD/dC = P + (1 / epsilon) (x_i + y_j - C_ij) o P
///
///   dSD/da_i = (sum(b) / sum(a)) (x_i - <x, a> / sum(a)),    dSD/db_j = y_j + <x, a> / sum(a)
///
/// a = P 1 are the marginals that the plan has: where the iterations have not converged it is the
/// derivative of the converged problem with those marginals. (What scales a given a to sum(b) is
/// that of the forward.) The system is singular, in (1, -1) and wherever the plan falls into parts;
/// every solution gives the same gradient. It is reduced to the symmetric I - A^T A,
/// A = diag(a)^(-1/2) P diag(b)^(-1/2), with eigenvalues in [0, 1]: on the smaller side, if that
/// has up to `direct` tokens, by its eigenvectors in double, eigenvalues up to 4 (rows + columns)
/// epsilon being 0; elsewhere on the columns' side by conjugate gradients in T, one sweep over P an
/// iteration. Their number grows about as the root of that of Sinkhorn's own.
/// Include mlot/interop/implicit.hpp. Eigen allocates while it solves, O(direct (rows + columns))
/// in the direct way and O(columns) in the other. Where it cannot, std::bad_alloc leaves compute(),
/// or ends the program from a thread of OpenMP's.
/// Accuracy: of the norm, double 1e-10, float 2e-5 from the unrolled gradient at convergence, and
/// 1e-4 in float where the plan falls into parts: tests/primitive/sinkhorn_fixed_point_test.cpp.
/// Source: Qiu, Yin, Wang, Efficient, stable, and analytic differentiation of the Sinkhorn loss.
struct implicit {
  static constexpr bool whole_history = false, of_marginals = true, solves = true;
  double tolerance = 1e-6;         ///< most relative residual; below 4 roundings of T it is these
  index_t most_iterations = 1000;  ///< of conjugate gradients, at least 1
  index_t direct = 64;             ///< most tokens of the smaller side that is solved directly

  constexpr status check() const {
    return requirement()
        .non_negative("derivative.implicit.tolerance", tolerance)
        .at_least("derivative.implicit.most_iterations", most_iterations, 1, "at least 1")
        .at_least("derivative.implicit.direct", direct, 0, "at least 0")
        .answer();
  }
};

/// Of `distance` where P does not move: dSD/dC = P. Cheapest, and biased; there is none with
/// respect to the marginals.
struct plan_constant {
  static constexpr bool whole_history = false, of_marginals = false, solves = false;
  constexpr status check() const { return {}; }
};

/// Of another number: of the converged `report.regularised` F = <P, C> + epsilon KL(P | a b^T), a
/// scaled to sum(b). At its optimum the potentials do not move it to first order: with
/// f' = f - epsilon log a and g' = g - epsilon log b
///
///   dF/dC = P,    dF/da_i = (sum(b) / sum(a)) (f'_i - <f', a> / sum(a))
///   dF/db_j = g'_j + <f', a> / sum(a) - 2 epsilon (1 - sum(b))
///
/// No system, no further sweep. Its error is of first order in that of the marginals. Accuracy:
/// double 1e-8 from central differences: tests/primitive/sinkhorn_fixed_point_test.cpp.
struct envelope {
  static constexpr bool whole_history = false, of_marginals = true, solves = false;
  constexpr status check() const { return {}; }
};

/// Whether a history of that many rows is one that Derivative reads.
template <class Derivative>
constexpr bool reads_history(index_t rows, index_t iterations) {
  return rows == iterations || (rows == 1 && !Derivative::whole_history);
}
template <class Derivative>
inline constexpr char const* history_allowed =
    Derivative::whole_history ? "one row an iteration" : "1 row, or one an iteration";
}  // namespace mlot::MLOT_SET::derivative
