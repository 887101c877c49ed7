#include "primitive/sinkhorn_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-11;

template <class T>
kit::sinkhorn_batch<T> problems_with_marginals(index_t iterations, index_t kept = 0) {
  kit::sinkhorn_batch<T> all(kit::problems({{9, 14}, {70, 40}, {1, 6}, {5, 1}, {0, 3}, {3, 0}}),
                             iterations, kept);
  all.draw_marginals(8);
  all.epsilon = T(0.3);
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a tolerance stops each problem where it is reached", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const tolerance : {1e-1, 1e-2, 1e-4}) {
      auto all = problems_with_marginals<T>(200), fixed = problems_with_marginals<T>(200);
      all.domain = fixed.domain = domain;
      all.tolerance = T(tolerance);
      all.template forward<Device>();
      fixed.template forward<Device>();
      CAPTURE(int(domain), tolerance);
      for (index_t b = 0; b < all.problems.count(); ++b) {
        CAPTURE(b);
        bool const empty = all.problems.view().row_count(b) == 0;
        CHECK(fixed.done(b) == 200);
        CHECK(fixed.converged(b) == 0);
        if (empty && all.problems.view().column_count(b) > 0) {  // nothing can serve the columns
          CHECK(all.done(b) == 200);
          CHECK(all.converged(b) == 0);
          continue;
        }
        CHECK(all.done(b) < 60);
        CHECK(all.converged(b) == 1);
        CHECK(double(all.row_error(b)) <= tolerance + 1e-6);
        CHECK(double(all.column_error(b)) <= (std::is_same_v<T, float> ? 1e-5 : 1e-13));
      }
      CHECK(all.done(1) > (tolerance < 1e-3 ? 3 : 1));
    }
}

TEMPLATE_LIST_TEST_CASE("stopped after R iterations means exactly R, bit by bit, forward and back",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const kept : {0, 1}) {
      kit::sinkhorn_batch<T> stopped(kit::problems({{30, 41}}), 90, kept);
      stopped.domain = domain;
      stopped.epsilon = T(0.3);
      stopped.tolerance = T(1e-3);
      stopped.template forward<Device>();
      index_t const rounds = stopped.done(0);
      REQUIRE(rounds > 2);
      REQUIRE(rounds < 90);
      kit::sinkhorn_batch<T> exact(kit::problems({{30, 41}}), rounds);
      exact.domain = domain;
      exact.epsilon = T(0.3);
      exact.template forward_and_back<Device>();
      CHECK(stopped.plan.same_bits(exact.plan));
      CHECK(stopped.distance.same_bits(exact.distance));
      CHECK(stopped.row_potential.same_bits(exact.row_potential));
      if (kept == 1) continue;
      kit::succeeds<Device>(stopped.backward());
      CHECK(stopped.gradient.same_bits(exact.gradient));
      CHECK(stopped.row_marginal_gradient.same_bits(exact.row_marginal_gradient));
      CHECK(stopped.column_marginal_gradient.same_bits(exact.column_marginal_gradient));
    }
}

TEMPLATE_LIST_TEST_CASE("all threads stop at the same iteration, with the same bits", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::sinkhorn_batch<T> one(kit::problems({{150, 170}}), 60),
      many(kit::problems({{150, 170}}), 60);
  one.tolerance = many.tolerance = T(1e-2);
  {
    kit::thread_count const set(1);
    one.template forward<typename TestType::device>();
  }
  for (int const threads : {2, 3, 7}) {
    kit::thread_count const set(threads);
    many.template forward<typename TestType::device>();
    CHECK(many.done(0) == one.done(0));
    CHECK(many.plan.same_bits(one.plan));
    CHECK(many.row_error.same_bits(one.row_error));
    CHECK(many.regularised.same_bits(one.regularised));
  }
}

TEMPLATE_LIST_TEST_CASE("a start from potentials goes on where they were taken", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    auto first = problems_with_marginals<T>(4), second = problems_with_marginals<T>(3),
         whole = problems_with_marginals<T>(7);
    first.domain = second.domain = whole.domain = domain;
    first.template forward<Device>();
    // Potentials are known up to a constant.
    kit::fill(second.warm_start, [&](index_t, index_t j) { return first.column_potential(j) + 5; });
    second.warm = true;
    second.template forward_and_back<Device>();
    whole.template forward<Device>();
    CAPTURE(int(domain));
    for (index_t b = 0; b < whole.problems.count(); ++b)
      CHECK(kit::error_of(second.problems, second.plan, b,
                          whole.problems.part(whole.plan.matrix(), b)) <= accuracy<T>);

    // The way back treats the start as given.
    if constexpr (std::is_same_v<T, double>) {
      kit::norm_error error;
      double const h = 1e-5;
      second.problems.for_each([&](index_t i, index_t j, index_t b) {
        if (i > (kit::is_emulated<Device> ? 0 : 12)) return;
        double const c = second.cost(i, j);
        auto const distance_at = [&](double x) {
          second.cost(i, j) = x;
          kit::succeeds<Device>(second.primitive());
          return second.distance(b);
        };
        double const numeric = (distance_at(c + h) - distance_at(c - h)) / (2 * h);
        second.cost(i, j) = c;
        error.add(second.gradient(i, j), numeric);
      });
      CHECK(error.value() <= 1e-7);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a converged start stays, and -inf everywhere is no start", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    auto first = problems_with_marginals<T>(300), again = problems_with_marginals<T>(300),
         cold = problems_with_marginals<T>(300);
    first.domain = again.domain = cold.domain = domain;
    first.tolerance = again.tolerance = cold.tolerance = T(1e-4);
    first.template forward<Device>();
    again.warm = cold.warm = true;
    kit::fill(again.warm_start, [&](index_t, index_t j) { return first.column_potential(j); });
    kit::fill(cold.warm_start, [&](index_t, index_t) { return -infinity<T>; });
    again.template forward<Device>();
    cold.template forward<Device>();
    CHECK(again.done(0) <= 2);
    CHECK(again.done(1) <= 2);
    CHECK(cold.plan.same_bits(first.plan));
  }
}

TEMPLATE_LIST_TEST_CASE("potentials, errors and values are what the plan says", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 3, 20}) {
      auto all = problems_with_marginals<T>(iterations);
      all.domain = domain;
      all.row_marginal(3) = all.column_marginal(2) = T(0);
      all.template forward<typename TestType::device>();
      kit::largest_error plan, row_error, regularised, dual;
      for (index_t b = 0; b < 4; ++b) {
        auto const shape = all.problems.view();
        auto const expected = all.expected(b);
        auto a = all.a(b), columns = all.b_of(b);
        oracle::number mass_a = 0, mass_b = 0;
        for (auto const x : a) mass_a += x;
        for (auto const x : columns) mass_b += x;
        for (auto& x : a) x *= mass_b / mass_a;
        oracle::number const epsilon = all.epsilon;
        oracle::number value = epsilon * mass_b * mass_b, error = 0, mass = 0, other = value;
        for (index_t i = 0; i < shape.row_count(b); ++i) {
          oracle::number row = 0;
          oracle::number const f = all.row_potential(shape.row_offset(b) + i);
          for (index_t j = 0; j < shape.column_count(b); ++j) {
            oracle::number const g = all.column_potential(shape.column_offset(b) + j);
            oracle::number const c = all.cost(shape.row_offset(b) + i, j);
            oracle::number const p = expected.plan[std::size_t(i)][std::size_t(j)];
            plan.absolute(std::exp((f + g - c) / epsilon), p);
            row += p;
            if (p > 0)
              value +=
                  p *
                  (c + epsilon * (std::log(p / (a[std::size_t(i)] * columns[std::size_t(j)])) - 1));
          }
          error += std::abs(row - a[std::size_t(i)]);
          mass += row;
          if (a[std::size_t(i)] > 0)
            other += a[std::size_t(i)] * (f - epsilon * std::log(a[std::size_t(i)]));
        }
        for (index_t j = 0; j < shape.column_count(b); ++j)
          if (auto const m = columns[std::size_t(j)]; m > 0)
            other += m * (all.column_potential(shape.column_offset(b) + j) - epsilon * std::log(m));
        other -= epsilon * mass;
        row_error.absolute(all.row_error(b), error / mass_b);
        regularised.relative(all.regularised(b), value);
        dual.relative(all.dual(b), other);
      }
      CAPTURE(int(domain), iterations);
      CHECK(plan.value <= 10 * accuracy<T>);
      CHECK(row_error.value <= accuracy<T>);
      CHECK(regularised.value <= accuracy<T>);
      CHECK(dual.value <= accuracy<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("the dual value rises with every iteration up to the regularised one",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    double before = -1e300;
    for (index_t const iterations : {1, 2, 3, 5, 8, 20, 60, 400}) {
      auto all = problems_with_marginals<double>(iterations);
      all.domain = domain;
      all.template forward<Device>();
      CHECK(all.dual(1) >= before - 1e-12);
      before = all.dual(1);
      if (iterations == 400) CHECK(std::abs(all.regularised(1) - all.dual(1)) <= 1e-11);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("marginal gradients are what differences of the distance find",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 4, 30}) {
      auto all = problems_with_marginals<T>(iterations);
      all.domain = domain;
      all.row_marginal(3) = all.column_marginal(2) = T(0);
      all.template forward_and_back<typename TestType::device>();
      kit::norm_error error;
      for (index_t b : {0, 2, 3}) {
        auto const cost = all.problems.part(all.cost.matrix(), b);
        auto a = all.a(b), columns = all.b_of(b);
        auto const slope = [&](oracle::number& x) {
          if (x == 0) return oracle::number(0);
          oracle::number const at = x, h = at * 1e-5L;
          auto const distance_at = [&](oracle::number y) {
            x = y;
            return oracle::sinkhorn(cost, a, columns, all.epsilon, std::size_t(iterations))
                .distance;
          };
          oracle::number const answer = (distance_at(at + h) - distance_at(at - h)) / (2 * h);
          x = at;
          return answer;
        };
        auto const shape = all.problems.view();
        for (std::size_t i = 0; i < a.size(); ++i)
          error.add(all.row_marginal_gradient(shape.row_offset(b) + index_t(i)), slope(a[i]));
        for (std::size_t j = 0; j < columns.size(); ++j)
          error.add(all.column_marginal_gradient(shape.column_offset(b) + index_t(j)),
                    slope(columns[j]));
      }
      CAPTURE(int(domain), iterations);
      CHECK(error.value() <= (std::is_same_v<T, float> ? 2e-5 : 1e-8));
    }
}

TEMPLATE_LIST_TEST_CASE("wrong tolerances and starts are named and nothing is written",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = problems_with_marginals<T>(5);
  auto const answer = [&](auto change) {
    auto p = all.primitive();
    change(p);
    return kit::run<Device>(p);
  };
  auto const negative = answer([](auto& p) { p.tolerance = T(-1); });
  CHECK(std::string(negative.argument) == "sinkhorn.tolerance");
  auto const without = answer([](auto& p) {
    p.tolerance = T(0.1);
    p.history.iterations = {};
  });
  CHECK(std::string(without.argument) == "sinkhorn.history.iterations");
  auto const shorter = answer([&](auto& p) { p.warm_start = {all.warm_start.vector().data, 3}; });
  CHECK(std::string(shorter.argument) == "sinkhorn.warm_start");
  CHECK(all.untouched());
  all.warm = true;
  for (T const bad : {infinity<T>, std::numeric_limits<T>::quiet_NaN()}) {
    kit::fill(all.warm_start, [](index_t, index_t) { return T(0); });
    all.warm_start(4) = bad;
    auto const s = kit::run<Device>(all.primitive());
    CHECK(s.code == fault::data);
    CHECK(std::string(s.argument) == "sinkhorn.warm_start");
    CHECK(s.row == 4);
  }
}
