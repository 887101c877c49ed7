// For finite cost and epsilon > 0 the answer is finite and right: epsilon from 10 down to 1e-4 of
// the cost's scale, costs spread up to 1e4, marginals of 0 and over nine decades, one row, one
// column.
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
enum class costs { uniform, of_both_signs, spread, offset };
enum class masses { ones, zeros, decades };
constexpr costs every_cost[] = {costs::uniform, costs::of_both_signs, costs::spread, costs::offset};
constexpr masses every_mass[] = {masses::ones, masses::zeros, masses::decades};

double draw(random_source& random, costs kind) {
  switch (kind) {
    case costs::uniform:
      return random.uniform();
    case costs::of_both_signs:
      return random.normal();
    case costs::spread:
      return std::pow(10.0, random.uniform(0, 4));
    default:
      return 1e4 + random.uniform(0, 100);
  }
}
double draw(random_source& random, masses kind) {
  switch (kind) {
    case masses::ones:
      return 1;
    case masses::zeros:
      return random.below(3) == 0 ? 0 : random.uniform(0.2, 3);
    default:
      return std::pow(10.0, random.uniform(-6, 3));
  }
}
/// Problems whose epsilon is `ratio` of the largest |C|.
template <class T>
kit::sinkhorn_batch<T> extreme(costs cost, masses mass, double ratio) {
  kit::sinkhorn_batch<T> all(kit::problems({{1, 1}, {1, 9}, {9, 1}, {7, 5}, {2, 19}}), 20);
  random_source random(7);
  double largest = 0;
  all.problems.for_each([&](index_t i, index_t j, index_t) {
    all.cost(i, j) = T(draw(random, cost));
    largest = std::max(largest, std::abs(double(all.cost(i, j))));
  });
  for (auto* marginal : {&all.row_marginal, &all.column_marginal})
    kit::fill(*marginal, [&](index_t, index_t) { return T(draw(random, mass)); });
  all.epsilon = T(ratio * largest);
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("plan, distance and gradient are right at the ends of their ranges",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  double const unit = std::numeric_limits<T>::epsilon() / 2;
  bool const single = std::is_same_v<T, float>;
  for (double const ratio : {10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4}) {
    // Exponents are as large as 1 / ratio, and each of their few roundings is relative to that. The
    // gradient weighs the rounded entries of P by shares of their own mass, so its error grows with
    // that too, and no faster. Measured over twelve seeds and both devices: 7.6 roundings times
    // 1 + 1 / ratio, and 18 in logarithms, where those of marginals over nine decades add theirs.
    double const forward = std::max(single ? 2e-6 : 1e-12, 4 * unit / ratio),
                 backward = 16 * unit * (1 + 1 / ratio);
    for (costs const cost : every_cost)
      for (masses const mass : every_mass)
        for (auto const domain : {sinkhorn_domain::automatic, sinkhorn_domain::logarithmic}) {
          auto all = extreme<T>(cost, mass, ratio);
          all.domain = domain;
          all.template forward_and_back<typename TestType::device>();
          bool const in_logarithms =
              domain == sinkhorn_domain::logarithmic || kit::is_emulated<typename TestType::device>;
          CAPTURE(ratio, int(cost), int(mass), int(domain));
          for (index_t b = 0; b < all.problems.count(); ++b) {
            auto const expected = all.expected(b);
            oracle::number moved = 0;  // without signs: what the distance's rounding is relative to
            auto const c = all.problems.part(all.cost.matrix(), b);
            for (std::size_t i = 0; i < c.size(); ++i)
              for (std::size_t j = 0; j < c[i].size(); ++j)
                moved += expected.plan[i][j] * std::fabs(c[i][j]);
            CAPTURE(b);
            CHECK(kit::error_of(all.problems, all.plan, b, expected.plan) <= forward);
            CHECK(std::fabs(all.distance(b) - expected.distance) <= forward * moved);
            CHECK(kit::error_of(all.problems, all.gradient, b, all.expected_gradient(b)) <=
                  backward * (in_logarithms ? 2 : 1));
          }
          index_t absurd = 0;
          all.problems.for_each([&](index_t i, index_t j, index_t b) {
            bool const massless = all.row_marginal(i) == 0;
            absurd += !std::isfinite(all.gradient(i, j)) || !(all.plan(i, j) >= 0);
            absurd += massless ? all.row_potential(i) != -infinity<T>
                               : !std::isfinite(all.row_potential(i));
            absurd += !std::isfinite(all.regularised(b)) || !std::isfinite(all.dual(b));
          });
          CHECK(absurd == 0);
        }
  }
}
