// A cost of +inf forbids its pair.
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
sinkhorn_domain const able_domains[] = {sinkhorn_domain::automatic, sinkhorn_domain::absorbed,
                                        sinkhorn_domain::logarithmic};
template <class T>
kit::sinkhorn_batch<T> with_forbidden_pairs(index_t iterations) {
  kit::sinkhorn_batch<T> all(kit::problems({{6, 9}, {20, 33}, {0, 2}}), iterations);
  all.draw_marginals(4);
  random_source random(9);
  all.problems.for_each([&](index_t i, index_t j, index_t b) {
    index_t const row = i - all.problems.view().row_offset(b);
    bool const spared = j % all.problems.view().row_count(b) == row;
    if (!spared && random.uniform(0, 1) < 0.4) all.cost(i, j) = infinity<T>;
  });
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("forbidden pairs have no mass and no slope, and the rest is the oracle's",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : able_domains)
    for (index_t const iterations : {1, 2, 20, 60}) {
      auto all = with_forbidden_pairs<T>(iterations);
      all.domain = domain;
      all.template forward_and_back<typename TestType::device>();
      CAPTURE(int(domain), iterations);
      index_t forbidden = 0, wrong = 0;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        if (all.cost(i, j) < infinity<T>) return;
        ++forbidden;
        wrong += all.plan(i, j) != 0 || all.gradient(i, j) != 0;
      });
      CHECK(forbidden > 150);
      CHECK(wrong == 0);
      for (index_t const b : {0, 1}) {
        auto const expected = all.expected(b);
        kit::largest_error distance;
        distance.relative(all.distance(b), expected.distance);
        CHECK(distance.value <= (std::is_same_v<T, float> ? 2e-6 : 1e-12));
        CHECK(kit::error_of(all.problems, all.plan, b, expected.plan) <=
              (std::is_same_v<T, float> ? 4e-6 : 1e-12));
        if (b == 0)
          CHECK(kit::error_of(all.problems, all.gradient, b, all.expected_gradient(b)) <=
                (std::is_same_v<T, float> ? 2e-5 : 1e-10));
      }
    }
}

// No plan has these marginals: the factors of rows 0 and 1 fall, that of row 2 rises, for ever.
TEMPLATE_LIST_TEST_CASE("pairs that allow no plan with the marginals leave everything finite",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : able_domains)
    for (index_t const iterations : {5, 2000}) {
      kit::sinkhorn_batch<T> all(kit::problems({{3, 3}}), iterations);
      all.domain = domain;
      kit::fill(all.cost, [](index_t, index_t) { return T(1); });
      all.cost(0, 1) = all.cost(0, 2) = all.cost(1, 1) = all.cost(1, 2) = infinity<T>;
      all.template forward_and_back<typename TestType::device>();
      CAPTURE(int(domain), iterations);
      for (index_t j = 0; j < 3; ++j) {
        double column = 0;
        for (index_t i = 0; i < 3; ++i) {
          column += double(all.plan(i, j));
          CHECK(std::isfinite(all.gradient(i, j)));
        }
        CHECK(column == Approx(1).epsilon(1e-3));
      }
      CHECK(double(all.row_error(0)) > 0.5);  // two rows share one column: 2/3
    }
}

TEMPLATE_LIST_TEST_CASE("a row or column with mass whose every pair is forbidden is named",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (bool const row : {true, false}) {
    kit::sinkhorn_batch<T> all(kit::problems({{3, 5}, {4, 21}}), 4);
    for (index_t n = 0; n < (row ? 21 : 4); ++n)
      (row ? all.cost(5, n) : all.cost(3 + n, 19)) = infinity<T>;
    status const s = kit::run<Device>(all.primitive());
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == std::string("sinkhorn.cost"));
    if (!kit::is_emulated<Device>) CHECK(s.value == infinity<double>);
    CHECK(s.row == (row ? 5 : 3));
    CHECK(s.column == (row ? -1 : 19));
    // Without mass it may be so.
    (row ? all.row_marginal(5) : all.column_marginal(5 + 19)) = T(0);
    all.template forward_and_back<Device>();
    CHECK(all.plan(5, 19) == 0);
    CHECK(all.gradient(5, 19) == 0);
  }
  // The only pairs left have no mass on their other side.
  kit::sinkhorn_batch<T> all(kit::problems({{2, 3}}), 4);
  all.column_marginal(0) = T(0);
  all.cost(1, 1) = all.cost(1, 2) = infinity<T>;
  CHECK(kit::run<Device>(all.primitive()).row == 1);
}

TEMPLATE_LIST_TEST_CASE("a forced domain that forbidden pairs make unsafe is refused", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  auto all = with_forbidden_pairs<T>(4);
  all.domain = sinkhorn_domain::scaling;
  status const s = kit::run<typename TestType::device>(all.primitive());
  CHECK(int(s.code) == int(fault::value));
  CHECK(s.argument == std::string("sinkhorn.domain"));
}
