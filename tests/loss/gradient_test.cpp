// The analytic gradient against differences, dual numbers and long double.
#include <Eigen/Dense>
#include <unsupported/Eigen/AutoDiff>

#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"

/// A value with its derivatives by `seeds` logits.
constexpr int seeds = 24;
using dual = Eigen::AutoDiffScalar<Eigen::Matrix<double, seeds, 1>>;
template <>
struct mlot::scalar_traits<dual> : mlot::arithmetic_scalar<dual> {
  static double value(dual const& x) { return x.value(); }
};

namespace {
using namespace loss_test;

template <class Device>
using only_double = std::tuple<on_with<Device, double>>;
using every_device_in_double = on_every_device<only_double>;

/// Largest |difference quotient - gradient| of the total over some entries, relative to the largest
/// entry of the gradient, at least 1. Differences are taken in double, so 1e-7 is what they can
/// tell.
template <class Device>
double quotient_error(Device device, oracle::loss_problem const& p, random_source& random,
                      mlot::sinkhorn_domain domain = mlot::sinkhorn_domain::automatic) {
  owned_loss<double> owned(p);
  owned.loss.options.domain = domain;
  owned.loss.upstream = 1;
  REQUIRE(owned.run(device).ok());
  mlot::host::matrix<double> const g = owned.gradient.matrix();
  double largest = 1, worst = 0;
  for (index_t i = 0; i < g.rows; ++i)
    for (index_t j = 0; j < g.cols; ++j) largest = std::max(largest, std::fabs(g(i, j)));
  owned.loss.gradient = {};    // keeps what is there
  if (owned.loss.matches()) {  // the columns are constants of the gradient
    owned.loss.options.k = owned.loss.width();
    owned.loss.options.matching = mlot::column_matching::given;
  }
  for (int n = 0; n < 12; ++n) {
    index_t const r = random.below(g.rows), v = random.below(g.cols);
    double const z = owned.student(r, v), h = 0x1p-20;
    if (z == masked) continue;
    auto const total_at = [&](double x) {
      owned.student(r, v) = x;
      REQUIRE(owned.run(device).ok());
      owned.student(r, v) = z;
      return owned.terms(4);
    };
    double const quotient = (total_at(z + h) - total_at(z - h)) / (2 * h);
    worst = std::max(worst, std::fabs(quotient - g(r, v)) / largest);
  }
  return worst;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("central differences agree over random batches and options", "",
                        every_device_in_double) {
  typename TestType::device const device;
  random_source random(5);
  for (std::uint64_t seed = 201; seed <= 240; ++seed) {
    INFO("seed " << seed);
    auto p = random_problem(seed);
    p.plan_constant = false;  // not the derivative of the value
    CHECK(quotient_error(device, p, random) <= 1e-7);
    CHECK(quotient_error(device, p, random, mlot::sinkhorn_domain::logarithmic) <= 1e-7);
  }
}

TEMPLATE_LIST_TEST_CASE("central differences agree under every matching", "",
                        every_device_in_double) {
  random_source random(7);
  for (std::uint64_t seed = 241; seed <= 260; ++seed)
    for (auto const rule : {oracle::column_rule::greedy, oracle::column_rule::exact}) {
      INFO("seed " << seed << " rule " << int(rule));
      auto p = random_problem(seed);
      p.plan_constant = false;
      p.rule = rule;
      CHECK(quotient_error(typename TestType::device(), p, random) <= 1e-7);
    }
}

TEMPLATE_LIST_TEST_CASE("central differences agree where each part stands alone", "",
                        every_device_in_double) {
  random_source random(6);
  for (auto const& [alpha, holistic, beta, gamma] :
       {std::array{0., 1., 0., 0.}, std::array{1., 1., 0., 0.}, std::array{1., 0., 1., 0.},
        std::array{1., 0., 0., 1.}})
    for (bool const own : {false, true}) {
      INFO(alpha << " " << holistic << " " << beta << " " << gamma << (own ? " own" : " shared"));
      auto p = some_batch(31);
      p.transport_temperature = 4;
      p.alpha = alpha, p.holistic = holistic, p.beta = beta, p.gamma = gamma;
      p.own_transport_ranking = own;
      if (alpha > 0) p.labels.clear();
      CHECK(quotient_error(typename TestType::device(), p, random) <= 1e-7);
    }
}

TEST_CASE("dual numbers through the scalar device have the analytic gradient as derivatives") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO("seed " << seed);
    random_source random(seed);
    auto p = batch_of(seed, {3, 2}, {1, 3}, 9, 6);  // 4 tokens of 6 ids: 24 seeds
    p.k = 1 + random.below(9);
    p.epsilon = seed % 3 == 0 ? 0.01 : 0.1;
    p.iterations = 1 + random.below(20);
    p.beta = p.gamma = 1;
    p.temperature = seed % 2 == 0 ? 1.5 : 1;
    p.own_transport_ranking = seed % 4 == 1;
    p.rule = oracle::column_rule(seed % 3);
    if (seed % 4 == 2) p.pairs = {{{0, 0}, {2, 0}}, {{1, 0}, {0, 2}}};
    p.divisor = 3;

    owned_loss<double> analytic(p);
    REQUIRE(analytic.run(mlot::on::scalar()).ok());
    owned_loss<dual, double, dual> dualised(p);
    std::vector<std::pair<index_t, index_t>> seeded;
    for (auto const& rows : p.student_rows)
      for (long const r : rows)
        for (index_t v = 0; v < 6; ++v) {
          dualised.student(r, v).derivatives() =
              Eigen::Matrix<double, seeds, 1>::Unit(index_t(seeded.size()));
          seeded.emplace_back(r, v);
        }
    REQUIRE(seeded.size() == seeds);
    REQUIRE(dualised.run(mlot::on::scalar()).ok());

    CHECK(difference_of(dualised.terms(4).value(), analytic.terms(4)) <= 1e-13);
    kit::norm_error off;
    for (int s = 0; s < seeds; ++s) {
      auto const [r, v] = seeded[std::size_t(s)];
      off.add(dualised.terms(4).derivatives()[s], analytic.gradient(r, v));
    }
    CHECK(off.value() <= 1e-12);
    // The gradient computed with duals is the same gradient.
    kit::norm_error again;
    for (auto const& [r, v] : seeded)
      again.add(dualised.gradient(r, v).value(), analytic.gradient(r, v));
    CHECK(again.value() <= 1e-12);
  }
}

TEST_CASE("long double through the scalar device is as exact as long double") {
  for (std::uint64_t seed = 301; seed <= 315; ++seed) {
    INFO("seed " << seed);
    auto const p = random_problem(seed);
    auto const expected = oracle::multi_level(p);
    owned_loss<long double, double, double, long double> owned(p);
    REQUIRE(owned.run(mlot::on::scalar()).ok());
    for (index_t c = 0; c < 4; ++c)
      CHECK(difference_of(owned.terms(c), expected.terms[std::size_t(c)]) <= 1e-16);
    CHECK(difference_of(owned.gradient, expected.gradient) <= 1e-16);
  }
}
