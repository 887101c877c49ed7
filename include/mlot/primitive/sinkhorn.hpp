#pragma once
#include <cmath>

#include "mlot/primitive/table_cost.hpp"
namespace mlot::MLOT_SET {
/// In which numbers the iterations run.
enum class sinkhorn_domain {
  automatic,    ///< the first of the others that is safe, in their order of speed
  scaling,      ///< u, v and the Gibbs kernel exp(-C / epsilon)
  absorbed,     ///< scalings of exp(log u^q + log v^q - C / epsilon), q anew where they grow
  logarithmic,  ///< log u, log v and log-sum-exp: right for every finite cost and epsilon > 0
};

/// What the iterations of a batch are, and the scaling vectors that they leave behind.
template <real T, class Memory>
struct sinkhorn_history {
  /// (H, row tokens) u^1 .. u^H and (H, column tokens) v^1 .. v^H: H = iterations for the unrolled
  /// gradient, H = 1 to keep only the last. Logarithms where `logarithmic` says so.
  matrix_view<T, Memory> row_scaling{}, column_scaling{};
  vector_view<index_t, Memory> logarithmic{};  ///< (B) written: not 0 in every domain but scaling
  vector_view<index_t, Memory> iterations{};   ///< (B) written: R, or no memory where R = N

  /// R of problem b, after the iterations.
  MLOT_HOST_DEVICE index_t done(index_t b, index_t most) const {
    return iterations.empty() ? most : iterations(b);
  }
};

/// What a caller may ask about the result; each is written where it has memory. With a scaled to
/// sum(b), f' = f - epsilon log a and g' = g - epsilon log b:
template <real T, class Memory>
struct sinkhorn_report {
  vector_view<index_t, Memory> converged{};   ///< (B) 1 where the tolerance was reached
  vector_view<T, Memory> row_error{};         ///< (B) sum_i |(P 1)_i - a_i| / sum(b)
  vector_view<T, Memory> column_error{};      ///< (B) sum_j |(P^T 1)_j - b_j| / sum(b): rounding
  vector_view<T, Memory> row_potential{};     ///< (row tokens) f = epsilon log u^R, -inf: no mass
  vector_view<T, Memory> column_potential{};  ///< (column tokens) g = epsilon log v^R
  vector_view<T, Memory> regularised{};       ///< (B) <P, C> + epsilon KL(P | a b^T)
  vector_view<T, Memory> dual{};  ///< (B) <a, f'> + <b, g'> - epsilon (sum(P) - sum(a) sum(b))

  MLOT_HOST_DEVICE bool asks_for_sums() const {
    return !(row_error.empty() && column_error.empty() && row_potential.empty() &&
             column_potential.empty() && regularised.empty() && dual.empty());
  }
};

/// Entropic optimal transport by N Sinkhorn iterations, for a ragged batch of problems:
///
///   u^r = a / (K v^(r-1)),  v^r = b / (K^T u^r),  v^0 = [b > 0],  K = exp(-C / epsilon)
///   P = diag(u^N) K diag(v^N),   distance(b) = <P, C> = SD
///
/// With a = b = 1 this is N rounds of dividing rows, then columns, by their sums (eq. 18-20); the
/// last half step decides, so P^T 1 = b and the total mass is sum(b). Where sum(a) differs from it,
/// a is scaled to that sum inside, which P does not see and u, v only by a constant factor.
/// `tolerance` > 0 stops after the first iteration R whose row step leaves columns with an error
/// sum_j |(P^T 1)_j - b_j| <= tolerance sum(b): after its column step the rows' error is no larger.
/// Later formulas then have R for N. `warm_start` gives v^0 = exp((g - max g) / epsilon).
/// [C] and [epsilon] share a unit. A zero marginal carries no mass; a problem without rows or
/// columns has distance 0. A cost of +inf forbids its pair: P = 0 there. Never NaN for such costs.
/// A cost that is NaN or -inf, a row or column with mass whose every pair is forbidden, or a
/// marginal that is negative or not finite answers fault::data (host devices); outputs are then
/// unspecified. A forced domain that is not safe answers fault::value: scaling needs C / epsilon,
/// the spread of the marginals and of the start within safe_exponent(), absorbed the marginals.
/// An epsilon below 4 max |C| times T's rounding counts as that: costs have no digits for less, and
/// <P, C> differs from the one asked for by no more than their rounding.
/// Accuracy: double 1e-12, float 2e-6 relative to the plan's norm at C / epsilon <= 20,
/// every domain: tests/primitive/sinkhorn_test.cpp. Same bits for any number of threads. Source:
/// eq. 17-20, arXiv 2412.14528; Cuturi, Sinkhorn distances (2013).
///
/// Cost is a matrix, or a table_cost: C is then computed anew in every sweep, memory grows with
/// N (rows + columns) alone, and a plan is written only where memory for it is lent. Chosen by its
/// user: computing C takes K operations an entry and sweep where reading it takes one.
template <real T, class Memory, class Cost = matrix_view<T const, Memory>>
struct sinkhorn {
  using memory = Memory;
  problem_batch<Memory> batch{};
  Cost cost{};                                   ///< (row tokens, >= longest_row) C
  one_or_each<T, Memory> row_marginal{T(1)};     ///< a: one, or (row tokens) each, at least 0
  one_or_each<T, Memory> column_marginal{T(1)};  ///< b: one, or (column tokens) each
  T epsilon = T(0.1);                            ///< the paper's lambda, above 0
  index_t iterations = 20;                       ///< N, at least 1; with a tolerance the most
  T tolerance = T(0);                            ///< share of the mass, at least 0; 0: exactly N
  sinkhorn_domain domain = sinkhorn_domain::automatic;
  vector_view<T const, Memory> warm_start{};  ///< (column tokens) g^0, or no memory: v^0 = [b > 0]
  sinkhorn_history<T, Memory> history{};      ///< written
  matrix_view<T, Memory> plan{};              ///< (row tokens, >= longest_row) written: P
  vector_view<T, Memory> distance{};          ///< (B) written: SD
  sinkhorn_report<T, Memory> report{};        ///< written as far as asked for

  /// Largest max |C| / epsilon at which scalings stay representable: they span at most its double.
  static constexpr double safe_exponent() {
    return 0.4 * 0.693147180559945 * double(std::numeric_limits<T>::max_exponent);
  }
  /// Largest and smallest factor that absorbed scalings reach before they are absorbed again.
  static double most_absorbed() { return std::exp(0.5 * safe_exponent()); }
  /// Entry of diag(u) K diag(v) in either domain; u, v are scalings or their logarithms.
  MLOT_HOST_DEVICE static T entry(bool logarithmic, T u, T kernel_or_exponent, T v) {
    using std::exp;
    return logarithmic ? T(exp(T(u + kernel_or_exponent + v))) : T(u * kernel_or_exponent * v);
  }
  [[gnu::noinline]] constexpr requirement inputs() const {
    return requirement()
        .also(batch.check("sinkhorn.batch"))
        .also(check_cost("sinkhorn.cost", cost, batch))
        .each("sinkhorn.row_marginal", row_marginal, batch.rows, "one element a row token")
        .each("sinkhorn.column_marginal", column_marginal, batch.columns,
              "one element a column token")
        .temperature("sinkhorn.epsilon", epsilon)
        .at_least("sinkhorn.iterations", iterations, 1, "at least 1")
        .non_negative("sinkhorn.tolerance", tolerance)
        .optional("sinkhorn.warm_start", warm_start, batch.columns, "one element a column token")
        .at_least("sinkhorn.history.row_scaling", history.row_scaling, history.row_scaling.rows,
                  batch.rows, "one column a row token")
        .at_least("sinkhorn.history.column_scaling", history.column_scaling,
                  history.row_scaling.rows, batch.columns,
                  "as many rows as row_scaling, one column a column token")
        .vector("sinkhorn.history.logarithmic", history.logarithmic, batch.problems(),
                "one element a problem")
        .optional("sinkhorn.history.iterations", history.iterations, batch.problems(),
                  "one element a problem")
        .count("sinkhorn.history.iterations", history.iterations.size,
               tolerance == T(0) ? history.iterations.size : batch.problems(), "elements",
               "one a problem where a tolerance may stop it");
  }
  constexpr status check() const {
    requirement all = inputs();
    if (std::is_same_v<Cost, matrix_view<T const, Memory>> || plan.data != nullptr)
      all.at_least("sinkhorn.plan", plan, batch.rows, batch.longest_row,
                   "one row a row token, longest_row columns");
    return all
        .count(history.row_scaling.rows == 1 || history.row_scaling.rows == iterations,
               "sinkhorn.history.row_scaling", history.row_scaling.rows, iterations, "rows",
               "1 row, or one an iteration")
        .vector("sinkhorn.distance", distance, batch.problems(), "one element a problem")
        .optional("sinkhorn.report.converged", report.converged, batch.problems(),
                  "one element a problem")
        .optional("sinkhorn.report.row_error", report.row_error, batch.problems(),
                  "one element a problem")
        .optional("sinkhorn.report.column_error", report.column_error, batch.problems(),
                  "one element a problem")
        .optional("sinkhorn.report.row_potential", report.row_potential, batch.rows,
                  "one element a row token")
        .optional("sinkhorn.report.column_potential", report.column_potential, batch.columns,
                  "one element a column token")
        .optional("sinkhorn.report.regularised", report.regularised, batch.problems(),
                  "one element a problem")
        .optional("sinkhorn.report.dual", report.dual, batch.problems(), "one element a problem")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
