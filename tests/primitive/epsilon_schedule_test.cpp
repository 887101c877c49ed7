#include "mlot/primitive/epsilon_schedule.hpp"

#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
template <class T>
kit::sinkhorn_batch<T> steep(index_t iterations, index_t kept = 0) {
  kit::sinkhorn_batch<T> all(kit::problems({{12, 9}, {30, 41}, {0, 3}, {3, 0}}), iterations, kept);
  all.draw_marginals(7);
  all.epsilon = T(0.01);
  return all;
}
template <class T>
auto schedule_for(kit::sinkhorn_batch<T>& all) {
  return epsilon_schedule<T, host_memory>{.of = all.primitive(),
                                          .first = T(0.5),
                                          .factor = T(0.4),
                                          .iterations = 6,
                                          .start = all.warm_start.vector()};
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a schedule's start is that of iterations at one epsilon after the other",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = steep<T>(20);
  auto const schedule = schedule_for(all);
  kit::succeeds<Device>(schedule);
  REQUIRE(all.warm_start.exactly_written());

  auto stage = steep<T>(6, 1);
  int stages = 0;
  for (T epsilon = T(0.5); epsilon > T(0.01); epsilon *= T(0.4), ++stages) {
    stage.epsilon = epsilon;
    kit::succeeds<Device>(stage.primitive());
    stage.warm = true;
    kit::fill(stage.warm_start, [&](index_t, index_t j) { return stage.column_potential(j); });
  }
  CHECK(stages == 5);
  CHECK(stage.warm_start.same_bits(all.warm_start));
}

// On costs with a geometry: between random costs there is little to gain.
TEMPLATE_LIST_TEST_CASE("a schedule saves iterations between points in the plane", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto const points = [](index_t iterations) {
    kit::sinkhorn_batch<T> all(kit::problems({{40, 43}}), iterations, 1);
    random_source random(2);
    double x[43], y[43], from[40][2];
    for (auto& p : from) p[0] = random.uniform(0, 1), p[1] = random.uniform(0, 1);
    for (int j = 0; j < 43; ++j) x[j] = random.uniform(0, 1), y[j] = random.uniform(0, 1);
    kit::fill(all.cost, [&](index_t i, index_t j) {
      return j < 43 ? T(std::pow(from[i][0] - x[j], 2) + std::pow(from[i][1] - y[j], 2)) : T(0);
    });
    all.draw_marginals(3);
    all.epsilon = T(1e-3);
    all.tolerance = T(1e-2);
    return all;
  };
  auto cold = points(20000), warm = points(20000);
  cold.template forward<Device>();
  auto schedule = schedule_for(warm);
  schedule.first = T(1);
  schedule.factor = T(0.5);
  schedule.iterations = 5;  // at ten epsilons
  kit::succeeds<Device>(schedule);
  warm.warm = true;
  warm.template forward<Device>();
  CAPTURE(cold.done(0), warm.done(0));
  CHECK(cold.converged(0) == 1);
  CHECK(warm.converged(0) == 1);
  CHECK(2 * (warm.done(0) + 10 * 5) < cold.done(0));
  // Two plans within the tolerance of one.
  CHECK(double(std::abs(cold.distance(0) - warm.distance(0))) <= 0.02 * double(cold.distance(0)));
}

TEMPLATE_LIST_TEST_CASE("a schedule that begins at or below epsilon is one stage at epsilon",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = steep<T>(20), once = steep<T>(6);
  for (T const first : {T(0.01), T(1e-3)}) {
    auto schedule = schedule_for(all);
    schedule.first = first;
    kit::succeeds<Device>(schedule);
    kit::succeeds<Device>(once.primitive());
    CHECK(all.warm_start.same_bits(once.column_potential));
  }
}

TEMPLATE_LIST_TEST_CASE("wrong schedules are named and nothing is written", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto all = steep<T>(20);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(schedule_for(all), code, argument, change);
  };
  T const nan = std::numeric_limits<T>::quiet_NaN();
  for (T const bad : {T(0), T(-1), infinity<T>, nan})
    refuses(fault::value, "epsilon_schedule.first", [=](auto& p) { p.first = bad; });
  for (T const bad : {T(0), T(1), T(-0.5), nan})
    refuses(fault::value, "epsilon_schedule.factor", [=](auto& p) { p.factor = bad; });
  refuses(fault::value, "epsilon_schedule.iterations", [](auto& p) { p.iterations = 0; });
  refuses(fault::shape, "epsilon_schedule.start", [](auto& p) { p.start.size = 2; });
  refuses(fault::value, "sinkhorn.epsilon", [](auto& p) { p.of.epsilon = T(0); });
  CHECK(all.untouched());
  CHECK(all.warm_start.untouched());
  all.cost(2, 3) = nan;
  auto const s = kit::run<Device>(schedule_for(all));
  CHECK(int(s.code) == int(fault::data));
  CHECK(s.argument == std::string("sinkhorn.cost"));
}
