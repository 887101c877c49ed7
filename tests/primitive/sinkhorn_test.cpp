#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
/// The accuracies that the primitives promise.
template <class T>
constexpr double plan_accuracy = std::is_same_v<T, float> ? 2e-6 : 1e-12;
template <class T>
constexpr double gradient_accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-10;

template <class Device, class T>
void compare(kit::sinkhorn_batch<T>& all, kit::largest_error& plan, kit::largest_error& gradient) {
  all.template forward_and_back<Device>();
  for (index_t b = 0; b < all.problems.count(); ++b) {
    auto const expected = all.expected(b);
    plan.add(kit::error_of(all.problems, all.plan, b, expected.plan));
    plan.relative(all.distance(b), expected.distance);
    gradient.add(kit::error_of(all.problems, all.gradient, b, all.expected_gradient(b)));
  }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("plan, distance and gradient are the oracle's for every shape and layout",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::largest_error plan, gradient;
    for (kit::layout const where : kit::every_layout)
      for (auto const& shapes : {kit::problems({{1, 1}, {5, 1}, {1, 6}, {0, 0}, {3, 0}, {0, 2}}),
                                 kit::problems({{7, 8}, {9, 2}, {3, 17}, {4, 4}})}) {
        kit::sinkhorn_batch<T> all(shapes, 20, 0, where);
        all.domain = domain;
        compare<typename TestType::device>(all, plan, gradient);
      }
    CAPTURE(int(domain));
    CHECK(plan.value <= plan_accuracy<T>);
    CHECK(gradient.value <= gradient_accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("plan and gradient are the oracle's at every length around the lane counts",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::largest_error plan, gradient;
    for (index_t const n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129})
      for (auto const& shape : {std::pair<index_t, index_t>{2, n}, {n, 3}}) {
        kit::sinkhorn_batch<T> all(kit::problems({shape}), 5);
        all.domain = domain;
        all.draw_marginals(std::uint64_t(n));
        compare<typename TestType::device>(all, plan, gradient);
      }
    CAPTURE(int(domain));
    CHECK(plan.value <= plan_accuracy<T>);
    CHECK(gradient.value <= gradient_accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("plan and gradient are the oracle's for any number of iterations",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 2, 5, 20, 100}) {
      kit::largest_error plan, gradient;
      kit::sinkhorn_batch<T> all(kit::problems({{9, 9}, {6, 11}, {11, 5}}), iterations);
      all.domain = domain;
      all.draw_marginals(3);
      compare<typename TestType::device>(all, plan, gradient);
      CAPTURE(int(domain), iterations);
      CHECK(plan.value <= plan_accuracy<T>);
      CHECK(gradient.value <= gradient_accuracy<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("plan and gradient are the oracle's up to C / epsilon = 20", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const epsilon : {10., 1., 0.5, 0.2, 0.1}) {
      kit::largest_error plan, gradient;
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        kit::sinkhorn_batch<T> all(kit::problems({{8, 12}, {12, 8}}), 20);
        all.domain = domain;
        all.epsilon = T(epsilon);
        all.draw_cost(seed, 2);
        compare<typename TestType::device>(all, plan, gradient);
      }
      CAPTURE(int(domain), epsilon);
      CHECK(plan.value <= plan_accuracy<T>);
      CHECK(gradient.value <= gradient_accuracy<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("a long problem has the accuracy of a short one", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::sinkhorn_batch<T> all(kit::problems({{300, 257}}), 20);
    all.domain = domain;
    all.template forward<typename TestType::device>();
    auto const expected = all.expected(0);
    kit::largest_error distance;
    distance.relative(all.distance(0), expected.distance);
    CAPTURE(int(domain));
    CHECK(kit::error_of(all.problems, all.plan, 0, expected.plan) <= plan_accuracy<T>);
    CHECK(distance.value <= plan_accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("a long problem's gradient agrees between the domains", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::sinkhorn_batch<T> scaling(kit::problems({{130, 257}}), 20);
  kit::sinkhorn_batch<T> logarithmic(kit::problems({{130, 257}}), 20);
  scaling.domain = sinkhorn_domain::scaling;
  logarithmic.domain = sinkhorn_domain::logarithmic;
  scaling.template forward_and_back<Device>();
  logarithmic.template forward_and_back<Device>();
  auto const other = scaling.problems.part(scaling.gradient.matrix(), 0);
  CHECK(kit::error_of(logarithmic.problems, logarithmic.gradient, 0, other) <=
        gradient_accuracy<T>);
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of sinkhorn are named and nothing is written",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  kit::sinkhorn_batch<T> all(kit::problems({{3, 5}, {4, 2}}), 4);
  auto const refuses = [&](fault code, char const* argument, auto change, bool backward = true) {
    kit::refuses<typename TestType::device>(all.primitive(), code, argument, change);
    if (backward)
      kit::refuses<typename TestType::device>(all.backward(), code, argument,
                                              [&](auto& p) { change(p.of); });
  };
  refuses(fault::shape, "sinkhorn.batch", [](auto& p) { p.batch.longest_row = 3; });
  refuses(fault::shape, "sinkhorn.batch", [](auto& p) { p.batch.rows = 8; });
  refuses(fault::shape, "sinkhorn.cost", [](auto& p) { p.cost.cols = 4; });
  refuses(fault::shape, "sinkhorn.cost", [](auto& p) { p.cost.data = nullptr; });
  refuses(fault::shape, "sinkhorn.row_marginal", [](auto& p) { p.row_marginal.each.size = 6; });
  refuses(fault::shape, "sinkhorn.column_marginal",
          [](auto& p) { p.column_marginal.each.size = 8; });
  for (T const bad : {T(0), T(-0.1), infinity<T>, std::numeric_limits<T>::quiet_NaN()})
    refuses(fault::value, "sinkhorn.epsilon", [&](auto& p) { p.epsilon = bad; });
  for (index_t const bad : {0, -3})
    refuses(fault::value, "sinkhorn.iterations", [&](auto& p) { p.iterations = bad; });
  refuses(fault::shape, "sinkhorn.history.row_scaling",
          [](auto& p) { p.history.row_scaling.cols = 6; });
  refuses(fault::shape, "sinkhorn.history.row_scaling",
          [](auto& p) { p.history.row_scaling.data = nullptr; });
  refuses(fault::shape, "sinkhorn.history.column_scaling",
          [](auto& p) { p.history.column_scaling.cols = 6; });
  refuses(fault::shape, "sinkhorn.history.column_scaling",
          [](auto& p) { p.history.column_scaling.rows = 3; });
  refuses(fault::shape, "sinkhorn.history.logarithmic",
          [](auto& p) { p.history.logarithmic.size = 3; });
  refuses(
      fault::shape, "sinkhorn.history.row_scaling",
      [](auto& p) { p.history.row_scaling.rows = p.history.column_scaling.rows = 3; }, false);
  refuses(
      fault::shape, "sinkhorn.plan", [](auto& p) { p.plan.cols = 4; }, false);
  refuses(
      fault::shape, "sinkhorn.plan", [](auto& p) { p.plan.rows = 6; }, false);
  refuses(
      fault::shape, "sinkhorn.distance", [](auto& p) { p.distance.size = 1; }, false);
  auto const backward = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.backward(), fault::shape, argument, change);
  };
  backward("sinkhorn_gradient.of.history.row_scaling",
           [](auto& p) { p.of.history.row_scaling.rows = p.of.history.column_scaling.rows = 1; });
  backward("sinkhorn_gradient.cost_gradient", [](auto& p) { p.cost_gradient.cols = 4; });
  backward("sinkhorn_gradient.cost_gradient", [](auto& p) { p.cost_gradient.data = nullptr; });
  CHECK(all.untouched());
}

TEMPLATE_LIST_TEST_CASE(
    "costs that are no numbers and marginals below 0 are answered with their place", "[sinkhorn]",
    every_device) {
  using T = typename TestType::scalar;
  T const nan = std::numeric_limits<T>::quiet_NaN();
  for (sinkhorn_domain const domain : {sinkhorn_domain::automatic, sinkhorn_domain::scaling,
                                       sinkhorn_domain::absorbed, sinkhorn_domain::logarithmic})
    for (T const bad : {nan, infinity<T>, T(-infinity<T>), T(-1)})
      for (int const where : {0, 1, 2}) {
        kit::sinkhorn_batch<T> all(kit::problems({{3, 5}, {4, 21}}), 4);
        all.domain = domain;
        if (where == 0 && (bad == -1 || bad == infinity<T>)) continue;  // a cost may be that
        (where == 0   ? all.cost(5, 19)
         : where == 1 ? all.row_marginal(5)
                      : all.column_marginal(24)) = bad;
        status const s = kit::run<typename TestType::device>(all.primitive());
        CAPTURE(bad, where);
        CHECK(int(s.code) == int(fault::data));
        CHECK(s.argument == std::string(where == 0   ? "sinkhorn.cost"
                                        : where == 1 ? "sinkhorn.row_marginal"
                                                     : "sinkhorn.column_marginal"));
        CHECK(s.row == (where == 2 ? 24 : 5));
        CHECK(s.column == (where == 0 ? 19 : -1));
      }
}
