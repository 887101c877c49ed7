#include "mlot/loss/sinkhorn_divergence.hpp"

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_sinkhorn_oracle.hpp"
#include "primitive/thread_count.hpp"
#include "problems.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
using oracle::number;
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-4 : 1e-9;

template <class T, class Ground = squared_difference>
struct divergence_batch {
  index_t k;
  kit::problems problems;
  index_t longest_column = 0, cost_memory = index_t(1) << 31, iterations = 4000;
  T epsilon = T(0.2), tolerance = std::is_same_v<T, float> ? T(1e-5) : T(1e-11);
  kit::framed<T> teacher, student, a, b, divergence, gradient, weight;
  kit::framed<index_t> converged;

  explicit divergence_batch(std::vector<std::pair<index_t, index_t>> const& shapes,
                            index_t columns = 3)
      : k(columns),
        problems(shapes),
        teacher(problems.rows(), k, {1, 2, 1}),
        student(problems.columns(), k, {1, 1, 2}),
        a(problems.rows()),
        b(problems.columns()),
        divergence(problems.count()),
        gradient(problems.columns(), k, {1, 3, 1}),
        weight(problems.count()),
        converged(problems.count()) {
    random_source random(11);
    for (auto const& [rows, ignored] : shapes) longest_column = std::max(longest_column, rows);
    for (auto* table : {&teacher, &student})
      kit::fill(*table, [&](index_t, index_t) { return T(random.uniform(0, 1)); });
    kit::fill(weight, [](index_t, index_t n) { return T(double(n) + 0.5); });
    // Uneven masses with a total of one.
    auto const share = [](index_t n, index_t count) {
      return T(2 * double(n + 1) / double(count * (count + 1)));
    };
    auto const shape = problems.view();
    for (index_t s = 0; s < problems.count(); ++s) {
      for (index_t i = 0; i < shape.row_count(s); ++i)
        a(shape.row_offset(s) + i) = share(i, shape.row_count(s));
      for (index_t j = 0; j < shape.column_count(s); ++j)
        b(shape.column_offset(s) + j) = share(j, shape.column_count(s));
    }
  }
  sinkhorn_divergence<T, host_memory, Ground> primitive() {
    return {.teacher = teacher.matrix(),
            .student = student.matrix(),
            .batch = problems.view(),
            .longest_column = longest_column,
            .row_marginal = host::vector<T const>(a.vector()),
            .column_marginal = host::vector<T const>(b.vector()),
            .epsilon = epsilon,
            .iterations = iterations,
            .tolerance = tolerance,
            .cost_memory = cost_memory,
            .divergence = divergence.vector(),
            .converged = converged.vector(),
            .weight = host::vector<T const>(weight.vector()),
            .student_gradient = gradient.matrix()};
  }
  template <class Device>
  void run() {
    kit::succeeds<Device>(primitive());
    REQUIRE(divergence.exactly_written());
    REQUIRE(converged.exactly_written());
    REQUIRE(gradient.exactly_written());
  }
};

/// Points of one side of a problem, and their masses.
struct cloud {
  oracle::matrix points;
  oracle::vector mass;
};
template <class T>
cloud cloud_of(kit::framed<T>& table, kit::framed<T>& mass, index_t first, index_t count) {
  cloud all;
  for (index_t i = first; i < first + count; ++i) {
    all.points.emplace_back();
    for (index_t l = 0; l < table.cols(); ++l) all.points.back().push_back(table(i, l));
    all.mass.push_back(mass(i));
  }
  return all;
}
/// <P, C> + epsilon KL(P | a b^T) of the converged plan.
number regularised(cloud const& x, cloud const& y, number epsilon, auto ground) {
  oracle::matrix cost;
  for (auto const& p : x.points) {
    cost.emplace_back();
    for (auto const& q : y.points) {
      number sum = 0;
      for (std::size_t l = 0; l < p.size(); ++l) sum += ground(p[l] - q[l]);
      cost.back().push_back(sum);
    }
  }
  auto const plan = oracle::sinkhorn(cost, x.mass, y.mass, epsilon, 3000).plan;
  number value = 0, mass = 0, total = 0;
  for (auto const m : y.mass) total += m;
  for (std::size_t i = 0; i < cost.size(); ++i)
    for (std::size_t j = 0; j < cost[i].size(); ++j) {
      number const p = plan[i][j];
      mass += p;
      value += p * cost[i][j] + epsilon * p * std::log(p / (x.mass[i] * y.mass[j]));
    }
  return value + epsilon * (total * total - mass);
}
number square(number x) { return x * x; }
number absolute(number x) { return std::abs(x); }

template <class Device, class T, class Ground>
void check_values(auto ground) {
  divergence_batch<T, Ground> all({{6, 4}, {1, 7}, {9, 9}, {0, 2}, {3, 0}});
  all.template run<Device>();
  auto const shape = all.problems.view();
  kit::largest_error error;
  for (index_t b = 0; b < 3; ++b) {
    auto const x = cloud_of(all.teacher, all.a, shape.row_offset(b), shape.row_count(b));
    auto const y = cloud_of(all.student, all.b, shape.column_offset(b), shape.column_count(b));
    number const epsilon = all.epsilon;
    number const expected =
        regularised(x, y, epsilon, ground) -
        (regularised(x, x, epsilon, ground) + regularised(y, y, epsilon, ground)) / 2;
    error.absolute(all.divergence(b), expected);
    CHECK(expected > 0.001L);
    CHECK(all.converged(b) == 1);
  }
  CHECK(error.value <= accuracy<T>);
  CHECK(all.divergence(3) == 0);
  CHECK(all.divergence(4) == 0);
  for (index_t l = 0; l < all.k; ++l) CHECK(all.gradient(shape.column_offset(3), l) == 0);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the divergence is the oracle's", "[divergence]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  check_values<Device, T, squared_difference>(square);
  check_values<Device, T, absolute_difference>(absolute);
}

TEMPLATE_LIST_TEST_CASE("the divergence's gradient is what differences of it find", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  divergence_batch<T> all({{6, 4}, {5, 7}});
  all.template run<Device>();
  auto const shape = all.problems.view();
  kit::norm_error error;
  for (index_t b = 0; b < 2; ++b) {
    auto const x = cloud_of(all.teacher, all.a, shape.row_offset(b), shape.row_count(b));
    auto y = cloud_of(all.student, all.b, shape.column_offset(b), shape.column_count(b));
    auto const value = [&] {
      return regularised(x, y, all.epsilon, square) - regularised(y, y, all.epsilon, square) / 2;
    };
    for (std::size_t j = 0; j < y.points.size(); ++j)
      for (std::size_t l = 0; l < 3; ++l) {
        number& at = y.points[j][l];
        number const h = 1e-5L, middle = at;
        at = middle + h;
        number const above = value();
        at = middle - h;
        number const below = value();
        at = middle;
        error.add(all.gradient(shape.column_offset(b) + index_t(j), index_t(l)),
                  number(all.weight(b)) * (above - below) / (2 * h));
      }
  }
  CHECK(error.value() <= (std::is_same_v<T, float> ? 1e-3 : 1e-7));
}

TEMPLATE_LIST_TEST_CASE("the divergence is 0 between equal clouds, else positive and symmetric",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  divergence_batch<T> same({{8, 8}}), there({{8, 5}}), back({{5, 8}});
  kit::fill(same.student, [&](index_t j, index_t l) { return same.teacher(j, l); });
  kit::fill(back.teacher, [&](index_t i, index_t l) { return there.student(i, l); });
  kit::fill(back.student, [&](index_t j, index_t l) { return there.teacher(j, l); });
  for (auto* each : {&same, &there, &back}) each->template run<Device>();
  CHECK(double(std::abs(same.divergence(0))) <= accuracy<T>);
  double steepest = 0;
  for (index_t j = 0; j < 8; ++j)
    for (index_t l = 0; l < 3; ++l)
      steepest = std::max(steepest, double(std::abs(same.gradient(j, l))));
  CHECK(steepest <= accuracy<T>);
  CHECK(there.divergence(0) > 0.001);
  CHECK(double(there.divergence(0)) == Approx(double(back.divergence(0))).epsilon(1e-3));
}

TEMPLATE_LIST_TEST_CASE("one point against one point is their cost", "[divergence]", every_device) {
  using T = typename TestType::scalar;
  divergence_batch<T> all({{1, 1}});
  all.template run<typename TestType::device>();
  T cost(0);
  for (index_t l = 0; l < 3; ++l)
    cost += (all.teacher(0, l) - all.student(0, l)) * (all.teacher(0, l) - all.student(0, l));
  CHECK(double(all.divergence(0)) == Approx(double(cost)).epsilon(1e-5));
}

TEMPLATE_LIST_TEST_CASE("without cost matrices the divergence is the same", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  divergence_batch<T> dense({{70, 90}, {6, 4}}), streamed({{70, 90}, {6, 4}});
  streamed.cost_memory = 0;
  dense.iterations = streamed.iterations = 20;
  CHECK(workspace_size(Device{}, streamed.primitive()) <
        workspace_size(Device{}, dense.primitive()));
  dense.template run<Device>();
  {
    kit::thread_count const set(1);
    streamed.template run<Device>();
  }
  kit::norm_error gradient;
  for (index_t j = 0; j < dense.gradient.rows(); ++j)
    for (index_t l = 0; l < 3; ++l) gradient.add(streamed.gradient(j, l), dense.gradient(j, l));
  CHECK(gradient.value() <= accuracy<T>);
  for (index_t b = 0; b < 2; ++b)
    CHECK(double(std::abs(dense.divergence(b) - streamed.divergence(b))) <= accuracy<T>);
  divergence_batch<T> many({{70, 90}, {6, 4}});
  many.cost_memory = 0;
  many.iterations = 20;
  kit::thread_count const set(3);
  many.template run<Device>();
  CHECK(many.divergence.same_bits(streamed.divergence));
  CHECK(many.gradient.same_bits(streamed.gradient));
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of the divergence are named and nothing is written",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  divergence_batch<T> all({{6, 4}, {5, 7}});
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(all.primitive(), code, argument, change);
  };
  refuses(fault::shape, "sinkhorn_divergence.longest_column",
          [](auto& p) { p.longest_column = 5; });
  refuses(fault::shape, "sinkhorn_divergence.teacher", [](auto& p) { p.teacher.rows = 3; });
  refuses(fault::shape, "sinkhorn_divergence.student", [](auto& p) { p.student.cols = 2; });
  refuses(fault::value, "sinkhorn_divergence.epsilon", [](auto& p) { p.epsilon = T(0); });
  refuses(fault::value, "sinkhorn_divergence.iterations", [](auto& p) { p.iterations = 0; });
  refuses(fault::value, "sinkhorn_divergence.tolerance", [](auto& p) { p.tolerance = T(-1); });
  refuses(fault::value, "sinkhorn_divergence.cost_memory", [](auto& p) { p.cost_memory = -1; });
  refuses(fault::shape, "sinkhorn_divergence.divergence", [](auto& p) { p.divergence.size = 1; });
  refuses(fault::shape, "sinkhorn_divergence.student_gradient",
          [](auto& p) { p.student_gradient.cols = 2; });
  refuses(fault::data, "sinkhorn_divergence.row_marginal",
          [](auto& p) { p.row_marginal = {T(1)}; });
  CHECK(all.divergence.untouched());
  CHECK(all.gradient.untouched());
  // With the right total. Kernels name what any of three transports finds, and know the primitive
  // alone.
  bool const emulated = kit::is_emulated<Device>;
  std::string const owner = emulated ? "sinkhorn." : "sinkhorn_divergence.";
  auto const marginals = [&](one_or_each<T, host_memory> const& given, index_t size) {
    std::vector<T> negative;
    for (index_t i = 0; i < size; ++i) negative.push_back(given(i));
    negative[1] += 2 * negative[0];
    negative[0] = -negative[0];
    return negative;
  };
  auto const rows = marginals(all.primitive().row_marginal, all.primitive().batch.rows);
  auto const columns = marginals(all.primitive().column_marginal, all.primitive().batch.columns);
  kit::refuses<Device>(all.primitive(), fault::data, owner + "row_marginal", [&](auto& p) {
    p.row_marginal = host::vector<T const>{rows.data(), index_t(rows.size())};
  });
  if (emulated) return;
  kit::refuses<Device>(all.primitive(), fault::data, owner + "column_marginal", [&](auto& p) {
    p.column_marginal = host::vector<T const>{columns.data(), index_t(columns.size())};
  });
}
