#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double rounding = std::is_same_v<T, float> ? 4e-6 : 1e-13;
template <class T>
kit::sinkhorn_batch<T> balanced(index_t n, index_t iterations) {
  return {kit::problems({{n, n}}), iterations};
}
/// Whether all that forward and backward wrote is finite, and no mass is negative.
template <class T>
bool sane(kit::sinkhorn_batch<T>& all) {
  bool finite = true;
  all.problems.for_each([&](index_t i, index_t j, index_t) {
    finite &=
        std::isfinite(all.plan(i, j)) && all.plan(i, j) >= 0 && std::isfinite(all.gradient(i, j));
  });
  for (index_t b = 0; b < all.problems.count(); ++b) finite &= bool(std::isfinite(all.distance(b)));
  return finite;
}
template <class T>
double difference(kit::sinkhorn_batch<T>& x, kit::framed<T>& is, kit::framed<T>& should) {
  return kit::error_of(x.problems, is, 0, x.problems.part(should.matrix(), 0));
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("columns of the plan sum to their marginal, and so does all mass",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 3, 20}) {
      kit::sinkhorn_batch<T> all(kit::problems({{9, 17}, {33, 8}, {12, 12}}), iterations);
      all.domain = domain;
      all.draw_marginals(5);
      all.template forward<typename TestType::device>();
      kit::largest_error error;
      for (index_t b = 0; b < 3; ++b) {
        auto const plan = all.problems.part(all.plan.matrix(), b);
        auto const marginal = all.b_of(b);
        for (std::size_t j = 0; j < marginal.size(); ++j) {
          oracle::number sum = 0;
          for (auto const& row : plan) sum += row[j];
          error.relative(sum, marginal[j]);
        }
      }
      CHECK(error.value <= rounding<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("a row or column of marginal 0 carries no mass and has gradient 0",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 4, 20}) {
      kit::sinkhorn_batch<T> all(kit::problems({{5, 18}}), iterations);
      all.domain = domain;
      all.row_marginal(2) = 0;
      all.column_marginal(3) = all.column_marginal(17) = 0;
      all.template forward_and_back<typename TestType::device>();
      REQUIRE(sane(all));
      index_t massive = 0, steep_row = 0, steep_column = 0;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        massive += (i == 2 || j == 3 || j == 17) != (all.plan(i, j) == 0);
        steep_row += i == 2 && all.gradient(i, j) != 0;
        steep_column += i != 2 && (j == 3 || j == 17) && all.gradient(i, j) != 0;
      });
      CAPTURE(int(domain), iterations);
      auto const expected = all.expected(0);
      CHECK(kit::error_of(all.problems, all.plan, 0, expected.plan) <= rounding<T>);
      CHECK(kit::error_of(all.problems, all.gradient, 0, all.expected_gradient(0)) <=
            10 * rounding<T>);
      CHECK(massive == 0);
      CHECK(steep_row == 0);
      CHECK(steep_column == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("without any mass the plan is 0 and nothing is NaN", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (int const side : {0, 1, 2}) {
      kit::sinkhorn_batch<T> all(kit::problems({{5, 9}}), 7);
      all.domain = domain;
      if (side != 1) kit::fill(all.row_marginal, [](index_t, index_t) { return T(0); });
      if (side != 0) kit::fill(all.column_marginal, [](index_t, index_t) { return T(0); });
      all.template forward_and_back<typename TestType::device>();
      CHECK(sane(all));
      CHECK(all.distance(0) == 0);
      CHECK(all.plan(4, 8) == 0);
      CHECK(all.gradient(4, 8) == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("never NaN for epsilon from 10 to 1e-4, and no mass is lost", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (double const epsilon : {10., 1., 0.1, 0.05, 0.02, 0.01, 0.005, 1e-3, 1e-4})
    for (double const largest : {2., 0.}) {
      kit::sinkhorn_batch<T> all(kit::problems({{9, 17}, {17, 9}}), 20);
      all.epsilon = T(epsilon);
      all.draw_cost(7, largest);
      all.template forward_and_back<typename TestType::device>();
      CAPTURE(epsilon, largest);
      CHECK(sane(all));
      for (index_t const b : {0, 1}) {
        oracle::number mass = 0;
        for (auto const& row : all.problems.part(all.plan.matrix(), b)) mass += oracle::sum(row);
        double const steepness = 1 + largest / epsilon / 20;
        CHECK(double(mass) == Approx(b == 0 ? 17 : 9).epsilon(rounding<T> * steepness));
      }
      CHECK(all.logarithmic(0) == (largest / epsilon > all.primitive().safe_exponent()));
    }
}

TEMPLATE_LIST_TEST_CASE("never NaN however unequal the total masses are", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  struct {
    index_t rows, columns, iterations;
  } const shapes[] = {{40, 20, 100}, {64, 1, 20},   {1, 64, 20},
                      {300, 3, 20},  {3, 300, 100}, {2, 1, 1000}};
  for (auto const& shape : shapes) {
    kit::sinkhorn_batch<T> all(kit::problems({{shape.rows, shape.columns}}), shape.iterations);
    all.template forward_and_back<typename TestType::device>();
    CAPTURE(shape.rows, shape.columns, shape.iterations);
    CHECK(sane(all));
    oracle::number mass = 0;
    for (auto const& row : all.problems.part(all.plan.matrix(), 0)) mass += oracle::sum(row);
    CHECK(double(mass) == Approx(double(shape.columns)).epsilon(1e-4));
  }
}

TEMPLATE_LIST_TEST_CASE("never NaN for large and small masses and costs", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  T const largest = std::numeric_limits<T>::max() / 16, smallest = std::numeric_limits<T>::min();
  for (T const mass : {largest, smallest})
    for (int const side : {0, 1, 2})
      for (T const epsilon : {T(1), T(0.1)}) {
        kit::sinkhorn_batch<T> all(kit::problems({{3, 3}}), 5);
        all.epsilon = epsilon;
        if (side != 1) kit::fill(all.row_marginal, [&](index_t, index_t) { return mass; });
        if (side != 0) kit::fill(all.column_marginal, [&](index_t, index_t) { return mass; });
        all.template forward<typename TestType::device>();
        CAPTURE(mass, side, epsilon);
        bool finite = true;
        all.problems.for_each(
            [&](index_t i, index_t j, index_t) { finite &= bool(std::isfinite(all.plan(i, j))); });
        CHECK(finite);
        if (side == 0)
          CHECK(all.distance(0) == Approx(double(all.expected(0).distance)).epsilon(1e-3));
      }
  kit::sinkhorn_batch<T> far(kit::problems({{3, 3}}), 5);
  far.problems.for_each(
      [&](index_t i, index_t j, index_t) { far.cost(i, j) = i == j ? -largest : largest; });
  far.template forward<typename TestType::device>();
  CHECK(!std::isnan(far.distance(0)));
}

TEMPLATE_LIST_TEST_CASE("scaling forced where it is not safe is answered", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::sinkhorn_batch<T> all(kit::problems({{3, 4}, {4, 3}}), 5);
  all.domain = sinkhorn_domain::scaling;
  all.epsilon = T(1e-4);
  status const s = kit::run<typename TestType::device>(all.primitive());
  CHECK(int(s.code) == int(fault::value));
  CHECK(s.argument == std::string("sinkhorn.domain"));
  CHECK(s.value == Approx(2e4));
  CHECK(s.row == 0);
  all.domain = sinkhorn_domain::logarithmic;
  all.template forward_and_back<typename TestType::device>();
  CHECK(sane(all));
}

TEMPLATE_LIST_TEST_CASE("a cost shifted by a constant moves the same plan", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = balanced<T>(11, 20), shifted = balanced<T>(11, 20);
  all.problems.for_each([&](index_t i, index_t j, index_t) {
    all.cost(i, j) = T(std::round(double(all.cost(i, j)) * 512) / 1024);  // so that both are exact
    shifted.cost(i, j) = all.cost(i, j) - T(0.5);
  });
  all.template forward<Device>();
  shifted.template forward<Device>();
  CHECK(difference(all, shifted.plan, all.plan) <= rounding<T>);
  CHECK(shifted.distance(0) == Approx(all.distance(0) - 5.5).epsilon(1e-4));
}

TEMPLATE_LIST_TEST_CASE("cost and epsilon in another unit give the same plan, bit by bit",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = balanced<T>(11, 20), scaled = balanced<T>(11, 20);
  scaled.epsilon = all.epsilon * 8;
  all.problems.for_each(
      [&](index_t i, index_t j, index_t) { scaled.cost(i, j) = 8 * all.cost(i, j); });
  all.template forward_and_back<Device>();
  scaled.template forward_and_back<Device>();
  CHECK(difference(all, scaled.plan, all.plan) == 0);
  CHECK(difference(all, scaled.gradient, all.gradient) <= rounding<T>);  // dSD/dC has no unit
  CHECK(scaled.distance(0) == 8 * all.distance(0));
}

TEMPLATE_LIST_TEST_CASE("permuted rows and columns give the permuted plan and gradient",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::sinkhorn_batch<T> all(kit::problems({{7, 19}}), 20), moved(kit::problems({{7, 19}}), 20);
  all.draw_marginals(3);
  auto const row = [](index_t i) { return (3 * i + 2) % 7; };
  auto const column = [](index_t j) { return (5 * j + 4) % 19; };
  for (index_t i = 0; i < 7; ++i) moved.row_marginal(row(i)) = all.row_marginal(i);
  for (index_t j = 0; j < 19; ++j) moved.column_marginal(column(j)) = all.column_marginal(j);
  all.problems.for_each(
      [&](index_t i, index_t j, index_t) { moved.cost(row(i), column(j)) = all.cost(i, j); });
  all.template forward_and_back<Device>();
  moved.template forward_and_back<Device>();
  kit::norm_error plan, gradient;
  all.problems.for_each([&](index_t i, index_t j, index_t) {
    plan.add(moved.plan(row(i), column(j)), all.plan(i, j));
    gradient.add(moved.gradient(row(i), column(j)), all.gradient(i, j));
  });
  CHECK(plan.value() <= rounding<T>);
  CHECK(gradient.value() <= 5 * rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("a symmetric cost with equal marginals converges to a symmetric plan",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  auto all = balanced<T>(12, 2000);
  all.epsilon = T(0.5);
  for (index_t i = 0; i < 12; ++i)
    for (index_t j = 0; j < i; ++j) all.cost(j, i) = all.cost(i, j);
  all.template forward_and_back<typename TestType::device>();
  kit::norm_error plan, gradient, rows;
  for (index_t i = 0; i < 12; ++i) {
    oracle::number sum = 0;
    for (index_t j = 0; j < 12; ++j) {
      sum += all.plan(i, j);
      plan.add(all.plan(j, i), all.plan(i, j));
      gradient.add(all.gradient(j, i), all.gradient(i, j));
    }
    rows.add(sum, 1);  // the row marginal, too
  }
  CHECK(plan.value() <= rounding<T>);
  CHECK(gradient.value() <= 20 * rounding<T>);
  CHECK(rows.value() <= rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("one marginal for all is that marginal for each", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  auto each = balanced<T>(9, 5), one = balanced<T>(9, 5);
  kit::fill(each.row_marginal, [](index_t, index_t) { return T(0.7); });
  kit::fill(each.column_marginal, [](index_t, index_t) { return T(1.3); });
  each.template forward<typename TestType::device>();
  auto p = one.primitive();
  p.row_marginal = T(0.7);
  p.column_marginal = T(1.3);
  kit::succeeds<typename TestType::device>(p);
  CHECK(one.plan.same_bits(each.plan));
}

TEMPLATE_LIST_TEST_CASE("a batch is its problems one by one, bit by bit, in mixed domains",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::sinkhorn_batch<T> all(kit::problems({{9, 17}, {0, 4}, {5, 3}, {33, 2}}), 6);
  all.draw_marginals(9);
  auto const shape = all.problems.view();
  for (index_t i = shape.row_offset(2); i < shape.row_offset(3); ++i)
    for (index_t j = 0; j < 3; ++j) all.cost(i, j) = T(200) * all.cost(i, j);
  all.template forward_and_back<Device>();
  CHECK(all.logarithmic(0) == 0);
  CHECK(all.logarithmic(2) == 1);
  index_t differing = 0;
  for (index_t b = 0; b < 4; ++b) {
    kit::sinkhorn_batch<T> one(kit::problems({{shape.row_count(b), shape.column_count(b)}}), 6);
    index_t const i0 = shape.row_offset(b), j0 = shape.column_offset(b);
    for (index_t i = 0; i < shape.row_count(b); ++i) one.row_marginal(i) = all.row_marginal(i0 + i);
    for (index_t j = 0; j < shape.column_count(b); ++j)
      one.column_marginal(j) = all.column_marginal(j0 + j);
    one.problems.for_each(
        [&](index_t i, index_t j, index_t) { one.cost(i, j) = all.cost(i0 + i, j); });
    one.template forward_and_back<Device>();
    differing += one.distance(0) != all.distance(b);
    one.problems.for_each([&](index_t i, index_t j, index_t) {
      differing += one.plan(i, j) != all.plan(i0 + i, j);
      differing += one.gradient(i, j) != all.gradient(i0 + i, j);
    });
  }
  CHECK(differing == 0);
}
