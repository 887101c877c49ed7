#pragma once
#include <cmath>

#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot {
/// In which numbers the iterations run.
enum class sinkhorn_domain {
  automatic,    ///< scaling where max |C| / epsilon keeps it safe, logarithmic elsewhere
  scaling,      ///< u, v and the Gibbs kernel exp(-C / epsilon); may under- or overflow if forced
  logarithmic,  ///< log u, log v and log-sum-exp: right for every finite cost and epsilon > 0
};

/// What the iterations of a batch are, and the scaling vectors that they leave behind.
template <real T, class Memory>
struct sinkhorn_history {
  /// (H, row tokens) u^1 .. u^H and (H, column tokens) v^1 .. v^H: H = iterations for the unrolled
  /// gradient, H = 1 to keep only the last. Logarithms where `logarithmic` says so.
  matrix_view<T, Memory> row_scaling{}, column_scaling{};
  vector_view<index_t, Memory> logarithmic{};  ///< (B) written: 1 where the log domain was used
};

/// Entropic optimal transport by N Sinkhorn iterations, for a ragged batch of problems:
///
///   u^r = a / (K v^(r-1)),  v^r = b / (K^T u^r),  v^0 = [b > 0],  K = exp(-C / epsilon)
///   P = diag(u^N) K diag(v^N),   distance(b) = <P, C> = SD
///
/// With a = b = 1 this is N rounds of dividing rows, then columns, by their sums (eq. 18-20); the
/// last half step decides, so P^T 1 = b and the total mass is sum(b). Where sum(a) differs from it,
/// a is scaled to that sum inside, which P does not see and u, v only by a constant factor.
/// [C] and [epsilon] share a unit. A zero marginal carries no mass; a problem without rows or
/// columns has distance 0. Never NaN for finite cost. A cost that is NaN or infinite, or a marginal
/// that is negative or not finite, answers fault::data (host devices); outputs are then
/// unspecified. Accuracy: double 1e-12, float 2e-6 relative to the plan's norm at C / epsilon <=
/// 20, both domains: tests/primitive/sinkhorn_test.cpp. Same bits for any number of threads.
/// Source: eq. 17-20, arXiv 2412.14528; Cuturi, Sinkhorn distances (2013).
template <real T, class Memory>
struct sinkhorn {
  using memory = Memory;
  problem_batch<Memory> batch{};
  matrix_view<T const, Memory> cost{};           ///< (row tokens, >= longest_row) C
  one_or_each<T, Memory> row_marginal{T(1)};     ///< a: one, or (row tokens) each, at least 0
  one_or_each<T, Memory> column_marginal{T(1)};  ///< b: one, or (column tokens) each
  T epsilon = T(0.1);                            ///< the paper's lambda, above 0
  index_t iterations = 20;                       ///< N, at least 1
  sinkhorn_domain domain = sinkhorn_domain::automatic;
  sinkhorn_history<T, Memory> history{};  ///< written
  matrix_view<T, Memory> plan{};          ///< (row tokens, >= longest_row) written: P
  vector_view<T, Memory> distance{};      ///< (B) written: SD

  /// Largest max |C| / epsilon at which scalings stay representable: they span at most its double.
  static constexpr double safe_exponent() {
    return 0.4 * 0.693147180559945 * double(std::numeric_limits<T>::max_exponent);
  }
  /// Entry of diag(u) K diag(v) in either domain; u, v are scalings or their logarithms.
  MLOT_HOST_DEVICE static T entry(bool logarithmic, T u, T kernel_or_exponent, T v) {
    using std::exp;
    return logarithmic ? T(exp(T(u + kernel_or_exponent + v))) : T(u * kernel_or_exponent * v);
  }
  constexpr requirement inputs() const {
    return requirement()
        .also(batch.check("sinkhorn.batch"))
        .at_least("sinkhorn.cost", cost, batch.rows, batch.longest_row,
                  "one row a row token, longest_row columns")
        .each("sinkhorn.row_marginal", row_marginal, batch.rows, "one element a row token")
        .each("sinkhorn.column_marginal", column_marginal, batch.columns,
              "one element a column token")
        .temperature("sinkhorn.epsilon", epsilon)
        .at_least("sinkhorn.iterations", iterations, 1, "at least 1")
        .at_least("sinkhorn.history.row_scaling", history.row_scaling, history.row_scaling.rows,
                  batch.rows, "one column a row token")
        .at_least("sinkhorn.history.column_scaling", history.column_scaling,
                  history.row_scaling.rows, batch.columns,
                  "as many rows as row_scaling, one column a column token")
        .vector("sinkhorn.history.logarithmic", history.logarithmic, batch.problems(),
                "one element a problem");
  }
  constexpr status check() const {
    return inputs()
        .that(history.row_scaling.rows == 1 || history.row_scaling.rows == iterations, fault::shape,
              "sinkhorn.history.row_scaling", double(history.row_scaling.rows),
              "1 row, or one an iteration")
        .at_least("sinkhorn.plan", plan, batch.rows, batch.longest_row,
                  "one row a row token, longest_row columns")
        .vector("sinkhorn.distance", distance, batch.problems(), "one element a problem")
        .answer();
  }
};

/// The exact derivative of `distance` through all N iterations, from the scaling vectors alone:
/// cost_gradient = dSD / dC. With P(q, r) = diag(u^q) K diag(v^r), log-adjoints alpha (of log u)
/// and beta (of log v), and alpha = (P o C) 1, beta = (P o C)^T 1 to begin with, for r = N .. 1:
///
///   x^r = beta / b;   alpha -= P(r, r) x^r;   y^r = alpha / a;   beta = -P(r, r-1)^T y^r;   alpha
///   = 0
///
///   dSD/dC = P - (1 / epsilon) { P o C - sum_r [ P(r, r) diag(x^r) + diag(y^r) P(r, r-1) ] }
///
/// Every number stays bounded in either domain. Memory O(N (rows + columns)), no N matrices as
/// automatic differentiation needs. cost_gradient must not overlap cost.
/// Accuracy: equal to central differences and to dual numbers, double 1e-10, float 1e-5 of the
/// norm in the scaling domain and 2e-5 in the logarithmic: tests/primitive/sinkhorn_test.cpp.
/// Source: docs/numerics.md, "Through the iterations".
template <real T, class Memory>
struct sinkhorn_gradient {
  using memory = Memory;
  sinkhorn<T, Memory> of{};                ///< as in the forward, full history; plan is not read
  matrix_view<T, Memory> cost_gradient{};  ///< (row tokens, >= longest_row) written

  constexpr status check() const {
    return of.inputs()
        .that(of.history.row_scaling.rows == of.iterations, fault::shape,
              "sinkhorn_gradient.of.history.row_scaling", double(of.history.row_scaling.rows),
              "one row an iteration")
        .at_least("sinkhorn_gradient.cost_gradient", cost_gradient, of.batch.rows,
                  of.batch.longest_row, "one row a row token, longest_row columns")
        .answer();
  }
};
}  // namespace mlot
