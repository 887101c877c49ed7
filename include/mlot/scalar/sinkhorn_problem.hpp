#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/scalar/any_cost.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
/// The larger of two magnitudes of costs. NaN, which stands for a cost that is not allowed, is
/// larger than all, and +inf, a forbidden pair, larger than every number.
template <class T>
T larger(T const& x, T const& y) {
  return y > x || !(y == y) ? y : x;
}
template <real T>
T magnitude(T const& cost) {
  using std::abs;
  return cost > -infinity<T> ? T(abs(cost)) : std::numeric_limits<T>::quiet_NaN();
}
/// The largest magnitude of the costs of a problem, or of those that are finite.
struct finite_only {};
template <real T, class Which = void, class Cost>
[[gnu::noinline]] T largest_magnitude(Cost const& cost) {
  T largest(0);
  for (index_t i = 0; i < cost.rows; ++i)
    for (index_t j = 0; j < cost.cols; ++j) {
      T const c = magnitude(T(cost(i, j)));
      if (std::is_void_v<Which> || c < infinity<T>) largest = larger(largest, c);
    }
  return largest;
}
/// P o C at one entry: a pair that carries no mass costs nothing, even where its cost is infinite.
template <real T>
T moved_cost(T const& mass, T const& cost) {
  return mass > T(0) ? T(mass * cost) : T(0);
}

/// What history.logarithmic holds where epsilon had to be raised.
inline constexpr index_t epsilon_raised = 2;

/// Problem b in the numbers of its domain: kernel entries or exponents, scalings or logarithms.
template <real T, class Cost = matrix_view<T const, host_memory>>
struct sinkhorn_problem {
  sinkhorn<T, host_memory, Cost> const& p;
  index_t b;
  bool logarithmic = p.history.logarithmic(b) != 0;  ///< how the history keeps u and v
  bool absorbs = false;                              ///< iterations in the absorbed domain
  index_t rows = p.batch.row_count(b), columns = p.batch.column_count(b);
  index_t row_first = p.batch.row_offset(b), column_first = p.batch.column_offset(b);
  decltype(cost_of(p, b)) cost = cost_of(p, b);
  T warm_origin = largest_warm_start();  ///< subtracted from the warm start
  bool raised = logarithmic && p.history.logarithmic(b) == epsilon_raised;
  T epsilon = raised ? least_epsilon(largest_magnitude<T, finite_only>(cost)) : p.epsilon;
  T balance = mean(p.column_marginal, column_first, columns, rows) /
              mean(p.row_marginal, row_first, rows, rows);

  /// Sum of marginals / divisor, or 1 where nothing has mass.
  [[gnu::noinline]] static T mean(one_or_each<T, host_memory> const& marginal, index_t first,
                                  index_t count, index_t divisor) {
    wide_t<T> sum(0);
    for (index_t i = first; i < first + count; ++i) sum += T(marginal(i) / T(double(divisor)));
    return sum > wide_t<T>(0) ? T(sum) : T(1);
  }
  /// ln(largest / smallest) of the marginals that are not 0, both sides added.
  [[gnu::noinline]] double marginal_spread() const {
    auto const spread = [](one_or_each<T, host_memory> const& marginal, index_t first,
                           index_t count) {
      double least = 0, most = 0;
      for (index_t i = first; i < first + count && !marginal.each.empty(); ++i)
        if (double const m = as_double(marginal(i)); m > 0) {
          least = least > 0 && least < m ? least : m;
          most = most < m ? m : most;
        }
      return most > 0 ? std::log(most / least) : 0;
    };
    return spread(p.row_marginal, row_first, rows) +
           spread(p.column_marginal, column_first, columns);
  }
  /// Largest |ln| of a marginal that is not 0, and the logarithm of how many there are.
  [[gnu::noinline]] double absorbed_range() const {
    double range = 0;
    auto const add = [&](T const& marginal) {
      if (marginal > T(0)) range = (std::max)(range, std::abs(std::log(as_double(marginal))));
    };
    for (index_t i = 0; i < rows; ++i) add(a(i));
    for (index_t j = 0; j < columns; ++j) add(b_of(j));
    return range + std::log(double((std::max)({rows, columns, index_t(1)})));
  }

  /// The least epsilon for costs up to `largest`, and for the start: an exponent with a digit
  /// behind the point.
  [[gnu::noinline]] T least_epsilon(T const& largest) const {
    T range = largest;
    for (index_t j = column_first; j < column_first + columns && !p.warm_start.empty(); ++j)
      if (T const below = warm_origin - p.warm_start(j); below > range && below < infinity<T>)
        range = below;
    return T(4) * std::numeric_limits<T>::epsilon() * range;
  }

  /// ln(largest / smallest) of v^0 where it is not 0.
  [[gnu::noinline]] double warm_spread() const {
    double spread = 0;
    for (index_t j = 0; j < columns && !p.warm_start.empty(); ++j)
      if (double const start = as_double(log_start(j)); b_of(j) > T(0) && start > -infinity<double>)
        spread = (std::max)(spread, -start);
    return spread;
  }
  /// -inf where there is none to start from.
  [[gnu::noinline]] T largest_warm_start() const {
    T largest = -infinity<T>;
    for (index_t j = column_first; j < column_first + columns && !p.warm_start.empty(); ++j)
      if (T const g = p.warm_start(j); g > largest && p.column_marginal(j) > T(0)) largest = g;
    return largest;
  }
  /// log v^0(j), at most 0 for columns with mass.
  T log_start(index_t j) const {
    if (warm_origin == -infinity<T>) return T(0);
    return (p.warm_start(column_first + j) - warm_origin) / epsilon;
  }
  index_t done() const { return p.history.done(b, p.iterations); }

  /// The row marginal, scaled to the columns' total mass. P does not see the factor (the last half
  /// step decides), and without it u and v would drift apart by that factor in every iteration.
  T a(index_t i) const { return balance * p.row_marginal(row_first + i); }
  T b_of(index_t j) const { return p.column_marginal(column_first + j); }
  /// u^r(i) and v^r(j), r from 1 on; in v^0 a column without mass takes no part from the start.
  T& u(index_t r, index_t i) const {
    return p.history.row_scaling((std::min)(r, p.history.row_scaling.rows) - 1, row_first + i);
  }
  T& v(index_t r, index_t j) const {
    return p.history.column_scaling((std::min)(r, p.history.row_scaling.rows) - 1,
                                    column_first + j);
  }
  T v_before(index_t r, index_t j) const {
    if (r > 1) return v(r - 1, j);
    using std::exp;
    bool const takes_part = b_of(j) > T(0);
    if (logarithmic) return takes_part ? log_start(j) : -infinity<T>;
    return takes_part ? T(exp(log_start(j))) : T(0);
  }
  T kernel(index_t i, index_t j) const {
    using std::exp;
    T const exponent = -cost(i, j) / epsilon;
    return logarithmic ? exponent : T(exp(exponent));
  }
  T entry(T const& u, T const& kernel, T const& v) const {
    return p.entry(logarithmic, u, kernel, v);
  }
  /// epsilon log of a scaling.
  T potential(T const& scaling) const {
    using std::log;
    if (logarithmic) return epsilon * scaling;
    return scaling > T(0) ? T(epsilon * log(scaling)) : -infinity<T>;
  }
  /// What column j misses of its marginal, or has beyond it, when its half step changes v(j) from
  /// `before` to `after`: its mass was b before / after.
  T column_error(index_t j, T const& before, T const& after) const {
    using std::abs, std::exp;
    T const marginal = b_of(j), nothing = logarithmic ? -infinity<T> : T(0);
    if (marginal == T(0) || after == nothing) return marginal;
    T const mass = logarithmic ? T(exp(T(before - after))) : T(before / after);
    return marginal * T(abs(T(mass - T(1))));
  }
  [[gnu::noinline]] T column_mass() const {
    wide_t<T> sum(0);
    for (index_t j = 0; j < columns; ++j) sum += b_of(j);
    return T(sum);
  }
  void finish(index_t iterations, bool converged) const {
    p.history.logarithmic(b) = raised ? epsilon_raised : index_t(logarithmic);
    if (!p.history.iterations.empty()) p.history.iterations(b) = iterations;
    if (!p.report.converged.empty()) p.report.converged(b) = converged;
  }
};

template <class T>
using any_problem = sinkhorn_problem<T, any_cost<T>>;

/// The fault that entries of C are, where `largest` says that some are not numbers.
template <real T, class Cost>
[[gnu::noinline, gnu::cold]] status check_costs(sinkhorn_problem<T, Cost> const& problem) {
  bool mass = false;
  for (index_t i = 0; i < problem.rows; ++i) {
    bool allowed = false;
    for (index_t j = 0; j < problem.columns; ++j) {
      T const c = problem.cost(i, j);
      if (!(c > -infinity<T>))
        return {fault::data,  "sinkhorn.cost",       "a number, or +inf for a forbidden pair",
                as_double(c), problem.row_first + i, j};
      mass |= problem.b_of(j) > T(0);
      allowed |= c < infinity<T> && problem.b_of(j) > T(0);
    }
    if (problem.a(i) > T(0) && mass && !allowed)
      return {fault::data, "sinkhorn.cost", "finite at one column of each row with mass",
              infinity<double>, problem.row_first + i};
  }
  for (index_t j = 0; j < problem.columns; ++j) {
    bool allowed = false;
    mass = false;
    for (index_t i = 0; i < problem.rows; ++i) {
      mass |= problem.a(i) > T(0);
      allowed |= problem.cost(i, j) < infinity<T> && problem.a(i) > T(0);
    }
    if (problem.b_of(j) > T(0) && mass && !allowed)
      return {fault::data,      "sinkhorn.cost",   "finite at one row of each column with mass",
              infinity<double>, problem.row_first, j};
  }
  return {};
}

/// Chooses the domain of a problem whose largest magnitude of a cost is `largest`; a fault names
/// what is not allowed in its data, or that the domain asked for is not safe.
template <real T, class Cost>
[[gnu::noinline]] status choose_domain(sinkhorn_problem<T, Cost>& problem, T const& largest) {
  auto const& p = problem.p;
  index_t const b = problem.b;
  for (index_t i = p.batch.row_offset(b); i < p.batch.row_offset(b + 1); ++i)
    if (T const a = p.row_marginal(i); !(a >= T(0) && a < infinity<T>))
      return {fault::data, "sinkhorn.row_marginal", "finite and at least 0", as_double(a), i};
  for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
    if (T const m = p.column_marginal(j); !(m >= T(0) && m < infinity<T>))
      return {fault::data, "sinkhorn.column_marginal", "finite and at least 0", as_double(m), j};
  for (index_t j = p.batch.column_offset(b); j < p.batch.column_offset(b + 1); ++j)
    if (!p.warm_start.empty() && !(p.warm_start(j) < infinity<T>))
      return {fault::data, "sinkhorn.warm_start", "finite or -inf", as_double(p.warm_start(j)), j};
  bool const forbids = !(largest < infinity<T>);
  if (forbids)
    if (status const s = check_costs(problem); !s.ok()) return s;
  T const least =
      problem.least_epsilon(forbids ? largest_magnitude<T, finite_only>(problem.cost) : largest);
  problem.raised = p.epsilon < least;
  problem.epsilon = problem.raised ? least : p.epsilon;
  double const exponent = as_double(T(largest / problem.epsilon)), safe = p.safe_exponent();
  bool const scales = exponent + problem.marginal_spread() + problem.warm_spread() <= safe;
  if (p.domain == sinkhorn_domain::scaling && !scales)
    return {fault::value, "sinkhorn.domain",
            "not scaling where max |cost| / epsilon exceeds sinkhorn::safe_exponent()", exponent,
            b};
  bool const automatic = p.domain == sinkhorn_domain::automatic;
  problem.logarithmic = !(automatic ? scales : p.domain == sinkhorn_domain::scaling);
  problem.absorbs = false;
  if (!problem.logarithmic || p.domain == sinkhorn_domain::logarithmic) return {};
  double const range = problem.absorbed_range();
  if (p.domain == sinkhorn_domain::absorbed && !(range <= safe))
    return {fault::value, "sinkhorn.domain",
            "not absorbed where |log marginal| + log(rows) exceeds sinkhorn::safe_exponent()",
            range, b};
  problem.absorbs = range <= safe;
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
