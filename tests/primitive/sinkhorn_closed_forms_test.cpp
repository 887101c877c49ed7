// Problems whose entropic plan, value or bound is known in closed form.
#include <numbers>

#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 2e-6 : 1e-12;

/// Marginals 1; what is on the diagonal costs nothing but what `cost` says.
template <class T>
kit::sinkhorn_batch<T> problem(index_t rows, index_t columns, index_t iterations, double epsilon,
                               sinkhorn_domain domain, auto cost) {
  kit::sinkhorn_batch<T> all(kit::problems({{rows, columns}}), iterations);
  all.epsilon = T(epsilon);
  all.domain = domain;
  all.problems.for_each([&](index_t i, index_t j, index_t) { all.cost(i, j) = T(cost(i, j)); });
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("with one atom on a side the plan is the other side's marginal",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const n : {1, 2, 7, 33})
      for (bool const row : {true, false}) {
        auto all = problem<T>(row ? 1 : n, row ? n : 1, 3, 0.1, domain, [](index_t i, index_t j) {
          return std::fmod(0.37 * double(i + j + 1), 2.0);
        });
        all.draw_marginals(std::uint64_t(n));
        all.template forward_and_back<typename TestType::device>();
        auto const a = all.a(0), b = all.b_of(0);
        oracle::number const mass = oracle::sum(b), epsilon = all.epsilon;
        // KL(P | a b^T), with a scaled to the sum of b, where P = b or P = a.
        oracle::number distance = 0, divergence = mass * mass - mass - mass * std::log(mass);
        kit::norm_error plan, gradient;
        kit::largest_error value;
        for (index_t k = 0; k < n; ++k) {
          index_t const i = row ? 0 : k, j = row ? k : 0;
          oracle::number const moved =
              row ? b[std::size_t(k)] : a[std::size_t(k)] * mass / oracle::sum(a);
          distance += moved * all.cost(i, j);
          plan.add(all.plan(i, j), moved);
          gradient.add(all.gradient(i, j), moved);  // it moves with nothing
        }
        value.relative(all.distance(0), distance);
        value.add(std::abs(all.regularised(0) - (distance + epsilon * divergence)) /
                  (distance + epsilon * mass * mass));
        CAPTURE(int(domain), n, row);
        CHECK(plan.value() <= accuracy<T>);
        CHECK(gradient.value() <= 10 * accuracy<T>);
        CHECK(value.value <= accuracy<T>);
      }
}

TEMPLATE_LIST_TEST_CASE("two atoms on both sides are a logistic function of the cost", "[sinkhorn]",
                        every_device) {
  // p / (1 - p) = exp(d / (2 epsilon)) on the diagonal, d = C01 + C10 - C00 - C11.
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const ratio : {0.0, 0.5, 1.0, 3.0, 5.0}) {
      double const epsilon = 0.125, d = ratio * 2 * epsilon;
      auto all = problem<T>(2, 2, 1500, epsilon, domain, [&](index_t i, index_t j) {
        return i != j ? 1.0 : i == 0 ? 0.5 : 1.5 - d;
      });
      all.template forward_and_back<typename TestType::device>();
      oracle::number const p = 1 / (1 + std::exp(-(oracle::number)(ratio)));
      kit::largest_error plan, gradient;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        oracle::number const slope = ratio * p * (1 - p);
        plan.absolute(all.plan(i, j), i == j ? p : 1 - p);
        gradient.absolute(all.gradient(i, j), i == j ? p + slope : 1 - p - slope);
      });
      CAPTURE(int(domain), ratio);
      CHECK(plan.value <= accuracy<T>);
      CHECK(gradient.value <= 20 * accuracy<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("between the same points the plan tends to their permutation", "[sinkhorn]",
                        every_device) {
  // With x on both sides u = v, and u^2 is a share of a row: P(i, j) <= exp(-C(i, j) / epsilon).
  using T = typename TestType::scalar;
  index_t const n = 9;
  auto const place = [](index_t i) { return (4 * i + 2) % n; };
  auto const cost = [&](index_t i, index_t j) { return std::abs(double(place(i) - j)) / 8; };
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const epsilon : {0.2, 0.1, 0.05, 0.01, 1e-3, 1e-4}) {
      if (!kit::allowed_in<T>(domain, 1 / epsilon)) continue;
      auto all = problem<T>(n, n, 2000, epsilon, domain, cost);
      all.template forward<typename TestType::device>();
      double beyond = 0, above = 0, distance = 0;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        double const most = std::exp(-cost(i, j) / epsilon);
        beyond = std::max(beyond, double(all.plan(i, j)) - most);
        above += j == place(i) ? 1 - all.plan(i, j) : 0;
        distance += cost(i, j) * most;
      });
      double const rounding = accuracy<T> / epsilon;
      CAPTURE(int(domain), epsilon);
      CHECK(beyond <= rounding);
      CHECK(above <= double(n) * 2 * std::exp(-0.125 / epsilon) / (1 - std::exp(-0.125 / epsilon)) +
                         rounding);
      CHECK(double(all.distance(0)) <= distance + rounding);
      CHECK(double(all.distance(0)) <= epsilon * double(n) * std::log(double(n)));
    }
}

TEMPLATE_LIST_TEST_CASE("the distance is the best assignment's up to epsilon log n a unit of mass",
                        "[sinkhorn]", every_device) {
  // <P, C> - epsilon H(P) <= <A, C> - epsilon H(A), H(A) = 0 and 0 <= H(P) <= n log n.
  using T = typename TestType::scalar;
  index_t const n = 6;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    kit::sinkhorn_batch<T> drawn(kit::problems({{n, n}}), 1);
    drawn.draw_cost(seed, 1);
    std::vector<index_t> to(n);
    for (index_t i = 0; i < n; ++i) to[std::size_t(i)] = i;
    double best = 1e300;
    do {
      double sum = 0;
      for (index_t i = 0; i < n; ++i) sum += drawn.cost(i, to[std::size_t(i)]);
      best = std::min(best, sum);
    } while (std::next_permutation(to.begin(), to.end()));

    for (sinkhorn_domain const domain : kit::every_domain)
      for (double const epsilon : {1.0, 0.1, 0.03, 0.01, 3e-3}) {
        if (!kit::allowed_in<T>(domain, 1 / epsilon)) continue;
        auto all = problem<T>(n, n, 20000, epsilon, domain,
                              [&](index_t i, index_t j) { return drawn.cost(i, j); });
        all.tolerance = T(1e-4);
        all.template forward<typename TestType::device>();
        // Rows that miss mass could be served at a cost of at most 1 each way.
        double const missing = 2 * double(n) * 1e-4, gap = double(all.distance(0)) - best;
        CAPTURE(int(domain), seed, epsilon);
        CHECK(all.converged(0) == 1);
        CHECK(gap >= -missing);
        CHECK(gap <= epsilon * double(n) * std::log(double(n)) + missing);
      }
  }
}

namespace {
/// Entropic transport of N(m, s^2) to N(n, t^2) with squared cost, regularised by KL(P | a b^T):
/// Janati, Muzellec, Peyre, Cuturi, "Entropic optimal transport between unbalanced Gaussian
/// measures has a closed form" (2020), theorem 1, with epsilon = 2 sigma^2, in one dimension.
struct gaussians {
  double m, s, n, t, epsilon;
  double half() const { return epsilon / 2; }
  double root() const { return std::sqrt(4 * s * s * t * t + half() * half()); }
  double covariance() const { return (root() - half()) / 2; }
  double value() const {
    return (m - n) * (m - n) + s * s + t * t - root() +
           half() * (1 - std::log(epsilon) + std::log(root() + half()));
  }
  /// max |C| / epsilon up to 8 deviations, and the logarithms of what densities span there.
  double steepness() const { return std::pow(8 * (s + t) + std::abs(m - n), 2) / epsilon + 64; }
  /// Of the narrower side at a given point of the other.
  double deviation() const {
    double const c = covariance();
    return std::min(std::sqrt(s * s - c * c / (t * t)), std::sqrt(t * t - c * c / (s * s)));
  }
};

/// Both densities at points `step` apart, up to 7.5 deviations: 4e-12 of the variance is cut off.
template <class T>
kit::sinkhorn_batch<T> on_grid(gaussians const& g, double step, sinkhorn_domain domain) {
  auto const count = [&](double deviation) {
    return 2 * index_t(std::ceil(7.5 * deviation / step)) + 1;
  };
  index_t const rows = count(g.s), columns = count(g.t);
  auto const offset = [&](index_t i, index_t of) { return double(i - of / 2) * step; };
  auto all = problem<T>(rows, columns, 100, g.epsilon, domain, [&](index_t i, index_t j) {
    double const d = g.m + offset(i, rows) - g.n - offset(j, columns);
    return d * d;
  });
  auto const mass = [&](index_t i, index_t of, double deviation) {
    double const x = offset(i, of) / deviation;
    return T(step / deviation / std::sqrt(2 * std::numbers::pi) * std::exp(-x * x / 2));
  };
  kit::fill(all.row_marginal, [&](index_t, index_t i) { return mass(i, rows, g.s); });
  kit::fill(all.column_marginal, [&](index_t, index_t j) { return mass(j, columns, g.t); });
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("Gaussians have the value and the covariance of their closed form",
                        "[sinkhorn]", every_device) {
  // The second moment of a normal density of deviation s, summed over points h apart, errs by
  // 2 (w^2 - 1) exp(-w^2 / 2) of itself, w = 2 pi s / h, and by smaller terms (Poisson's formula).
  // The narrowest density here is the plan's at one given point.
  using T = typename TestType::scalar;
  for (gaussians const& g :
       {gaussians{0, 1, 0.3, 0.6, 2}, gaussians{0.5, 1, -0.5, 1, 1}, gaussians{0, 0.7, 0, 1, 0.5}})
    for (sinkhorn_domain const domain : kit::every_domain)
      for (double const points : {0.5, 0.7, 1.0, 3.0}) {  // a deviation
        if (!kit::allowed_in<T>(domain, g.steepness())) continue;
        // The tails' masses span more than absorbed scalings take in float.
        if (std::is_same_v<T, float> && domain == sinkhorn_domain::absorbed) continue;
        double const step = g.deviation() / points;
        auto all = on_grid<T>(g, step, domain);
        all.template forward<typename TestType::device>();
        double covariance = 0;
        all.problems.for_each([&](index_t i, index_t j, index_t) {
          covariance += double(all.plan(i, j)) * double(i - all.plan.rows() / 2) *
                        double(j - all.problems.columns() / 2) * step * step;
        });
        double const wave = 2 * std::numbers::pi * points,
                     error = 2 * wave * wave * std::exp(-wave * wave / 2) + 4e-12 + accuracy<T>;
        CAPTURE(int(domain), points, g.epsilon);
        CHECK(std::abs(all.regularised(0) / g.value() - 1) <= error);
        CHECK(std::abs(covariance / g.covariance() - 1) <= error);
      }
}
