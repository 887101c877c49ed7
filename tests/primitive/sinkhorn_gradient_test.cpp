#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include "primitive/sinkhorn_batch.hpp"

/// Numbers that carry twelve derivatives: one for each entry of a 3 x 4 cost.
using derivatives = Eigen::Matrix<double, 12, 1>;
using dual = Eigen::AutoDiffScalar<derivatives>;
template <>
struct mlot::scalar_traits<dual> : mlot::arithmetic_scalar<dual> {
  static double value(dual const& x) { return x.value(); }
};
using namespace mlot;

namespace {

/// dSD/dC by running the scalar device on dual numbers.
derivatives differentiated(kit::sinkhorn_batch<double>& all) {
  dual cost[12], plan[12], distance, a[3], b[4];
  std::vector<dual> rows(std::size_t(3 * all.iterations)), columns(std::size_t(4 * all.iterations));
  index_t logarithmic = 0;
  for (index_t i = 0; i < 3; ++i)
    for (index_t j = 0; j < 4; ++j) cost[4 * i + j] = dual(all.cost(i, j), 12, int(4 * i + j));
  for (index_t i = 0; i < 3; ++i) a[i] = dual(all.row_marginal(i));
  for (index_t j = 0; j < 4; ++j) b[j] = dual(all.column_marginal(j));
  sinkhorn<dual, host_memory> const p{.batch = all.problems.view(),
                                      .cost = {cost, 3, 4, 4},
                                      .row_marginal = host::vector<dual const>{a, 3},
                                      .column_marginal = host::vector<dual const>{b, 4},
                                      .epsilon = dual(all.epsilon),
                                      .iterations = all.iterations,
                                      .domain = all.domain,
                                      .history = {{rows.data(), all.iterations, 3, 3},
                                                  {columns.data(), all.iterations, 4, 4},
                                                  {&logarithmic, 1}},
                                      .plan = {plan, 3, 4, 4},
                                      .distance = {&distance, 1}};
  kit::succeeds<on::scalar>(p);
  return distance.derivatives();
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the gradient is what forward-mode dual numbers find", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 2, 5, 20}) {
      kit::sinkhorn_batch<double> exact(kit::problems({{3, 4}}), iterations);
      kit::sinkhorn_batch<T> all(kit::problems({{3, 4}}), iterations);
      exact.draw_marginals(4);
      exact.domain = all.domain = domain;
      exact.epsilon = all.epsilon = 0.125;
      kit::fill(all.row_marginal, [&](index_t, index_t i) { return T(exact.row_marginal(i)); });
      kit::fill(all.column_marginal,
                [&](index_t, index_t j) { return T(exact.column_marginal(j)); });
      // what was rounded to T is what both differentiate
      kit::fill(exact.row_marginal,
                [&](index_t, index_t i) { return double(all.row_marginal(i)); });
      kit::fill(exact.column_marginal,
                [&](index_t, index_t j) { return double(all.column_marginal(j)); });
      all.problems.for_each(
          [&](index_t i, index_t j, index_t) { exact.cost(i, j) = double(all.cost(i, j)); });
      derivatives const expected = differentiated(exact);
      all.template forward_and_back<typename TestType::device>();
      kit::norm_error error;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        error.add(all.gradient(i, j), expected[4 * i + j]);
      });
      CAPTURE(int(domain), iterations);
      CHECK(error.value() <= (std::is_same_v<T, float> ? 1e-5 : 1e-10));
    }
}

TEMPLATE_LIST_TEST_CASE("the gradient is what central differences of the distance find",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 5, 50}) {
      kit::sinkhorn_batch<double> all(kit::problems({{5, 3}, {4, 9}}), iterations);
      all.domain = domain;
      all.draw_marginals(6);
      all.template forward_and_back<Device>();
      kit::norm_error error;
      double const h = 1e-4;
      all.problems.for_each([&](index_t i, index_t j, index_t b) {
        double const c = all.cost(i, j);
        auto const distance_at = [&](double x) {
          all.cost(i, j) = x;
          kit::succeeds<Device>(all.primitive());
          return all.distance(b);
        };
        double const numeric = (8 * (distance_at(c + h) - distance_at(c - h)) -
                                (distance_at(c + 2 * h) - distance_at(c - 2 * h))) /
                               (12 * h);
        all.cost(i, j) = c;
        error.add(all.gradient(i, j), numeric);
      });
      CAPTURE(int(domain), iterations);
      CHECK(error.value() <= 1e-9);
    }
}

TEMPLATE_LIST_TEST_CASE("the gradient needs no plan and moves nothing of the forward's",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  kit::sinkhorn_batch<T> all(kit::problems({{9, 17}}), 5), again(kit::problems({{9, 17}}), 5);
  all.template forward_and_back<typename TestType::device>();
  again.template forward<typename TestType::device>();
  CHECK(all.row_scaling.same_bits(again.row_scaling));
  CHECK(all.column_scaling.same_bits(again.column_scaling));
  CHECK(all.plan.same_bits(again.plan));
  again.plan.clear();
  again.distance.clear();
  kit::succeeds<typename TestType::device>(again.backward());
  CHECK(again.gradient.same_bits(all.gradient));
  CHECK(again.plan.untouched());
}

TEMPLATE_LIST_TEST_CASE("a distance that the cost scales is one with its gradient (Euler)",
                        "[sinkhorn]", every_device) {
  // SD(s C, s epsilon) = s SD(C, epsilon), so <dSD/dC, C> + epsilon dSD/depsilon = SD.
  using Device = typename TestType::device;
  kit::sinkhorn_batch<double> all(kit::problems({{7, 12}}), 20);
  all.template forward_and_back<Device>();
  double inner = 0;
  all.problems.for_each(
      [&](index_t i, index_t j, index_t) { inner += all.gradient(i, j) * all.cost(i, j); });
  double const sd = all.distance(0), h = 1e-6, epsilon = all.epsilon;
  auto const distance_at = [&](double x) {
    all.epsilon = x;
    kit::succeeds<Device>(all.primitive());
    return all.distance(0);
  };
  double const slope = (distance_at(epsilon + h) - distance_at(epsilon - h)) / (2 * h);
  CHECK(inner + epsilon * slope == Approx(sd).epsilon(1e-7));
}

TEMPLATE_LIST_TEST_CASE("a history of the last scalings alone changes no output", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::sinkhorn_batch<T> full(kit::problems({{9, 17}, {33, 2}}), 6);
    kit::sinkhorn_batch<T> last(kit::problems({{9, 17}, {33, 2}}), 6, 1);
    full.domain = last.domain = domain;
    full.template forward<typename TestType::device>();
    last.template forward<typename TestType::device>();
    CHECK(last.plan.same_bits(full.plan));
    CHECK(last.distance.same_bits(full.distance));
    index_t differing = 0;
    for (index_t i = 0; i < 42; ++i) differing += last.row_scaling(0, i) != full.row_scaling(5, i);
    for (index_t j = 0; j < 19; ++j)
      differing += last.column_scaling(0, j) != full.column_scaling(5, j);
    CHECK(differing == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("scratch memory grows with the tokens, not with their product",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  // Blocks of rows have scratch of their own, up to a number that 2048 rows reach.
  kit::sinkhorn_batch<T> small(kit::problems({{2048, 16}}), 20),
      large(kit::problems({{4096, 32}}), 20);
  auto const bytes = [](auto const& p) { return workspace_size(Device{}, p); };
  CHECK(bytes(large.primitive()) <= 2 * bytes(small.primitive()) + 1024);
  CHECK(bytes(large.backward()) <= 2 * bytes(small.backward()) + 1024);
  kit::sinkhorn_batch<T> square(kit::problems({{1024, 1024}}), 20);
  CHECK(bytes(square.backward()) < 1024 * 1024 * sizeof(T));  // no single matrix
}
