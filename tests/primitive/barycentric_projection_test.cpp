#include "mlot/primitive/barycentric_projection.hpp"

#include <algorithm>

#include "primitive/finished_transport.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
/// The accuracy that the primitive promises.
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-6 : 1e-14;

/// Points of the column tokens, and where the plan sends the row tokens.
template <class T>
struct projected {
  kit::framed<T> points, out;
  projected(kit::sinkhorn_batch<T> const& of, index_t width, kit::layout where = {1, 2, 1})
      : points(of.problems.columns(), width, where), out(of.problems.rows(), width, where) {
    random_source random(11);
    kit::fill(points, [&](index_t, index_t) { return T(random.uniform(-1, 3)); });
  }
  template <class Cost>
  barycentric_projection<T, host_memory, Cost> primitive(sinkhorn<T, host_memory, Cost> const& p) {
    return {.of = p, .points = points.matrix(), .out = out.matrix()};
  }
  template <class Device, class Cost>
  void run(sinkhorn<T, host_memory, Cost> const& p) {
    out.clear();
    kit::succeeds<Device>(primitive(p));
    REQUIRE(out.exactly_written());
  }
  /// Error against the means that a plan gives; a row without mass must be exactly 0.
  double error(kit::problems const& problems, auto plan_of) {
    kit::norm_error all;
    auto const shape = problems.view();
    for (index_t b = 0; b < shape.problems(); ++b) {
      oracle::matrix const plan = plan_of(b);
      for (index_t i = 0; i < shape.row_count(b); ++i)
        for (index_t l = 0; l < points.cols(); ++l) {
          oracle::number mass = 0, sum = 0;
          for (index_t j = 0; j < shape.column_count(b); ++j) {
            auto const p = plan[std::size_t(i)][std::size_t(j)];
            mass += p;
            sum += p * points(shape.column_offset(b) + j, l);
          }
          T const is = out(shape.row_offset(b) + i, l);
          if (mass == 0)
            CHECK(is == T(0));
          else
            all.add(is, sum / mass);
        }
    }
    return all.value();
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("the projection is the oracle's for every width and layout",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::finished_transport<T> expected(sinkhorn_domain::automatic);
  std::vector<oracle::matrix> plans;
  for (index_t b = 0; b < expected.all.problems.count(); ++b)
    plans.push_back(expected.all.expected(b).plan);
  auto const plan_of = [&](index_t b) { return plans[std::size_t(b)]; };
  for (sinkhorn_domain const domain : kit::both_domains)
    for (kit::layout const where : kit::every_layout)
      for (index_t const rows_kept : {0, 1}) {
        kit::finished_transport<T> of(domain, rows_kept, where);
        kit::succeeds<Device>(of.matrix());
        for (index_t const width : {1, 3, 4, 9}) {
          CAPTURE(int(domain), where.step, rows_kept, width);
          projected<T> to(of.all, width, where);
          to.template run<Device>(of.matrix());
          CHECK(to.error(of.all.problems, plan_of) <= accuracy<T>);
          to.template run<Device>(of.tables(false));
          CHECK(to.error(of.all.problems, plan_of) <= accuracy<T>);
        }
      }
}

TEMPLATE_LIST_TEST_CASE("the projection is that of the written plan at every length",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains)
    for (index_t const n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129, 515})
      for (auto const& shape : {std::pair<index_t, index_t>{4, n}, {n, 3}}) {
        kit::finished_transport<T> of(domain, 1, {}, {shape});
        CAPTURE(int(domain), n);
        projected<T> to(of.all, 5);
        auto const plan_of = [&](index_t b) {
          return of.all.problems.part(of.all.plan.matrix(), b);
        };
        kit::succeeds<Device>(of.matrix());
        to.template run<Device>(of.matrix());
        CHECK(to.error(of.all.problems, plan_of) <= accuracy<T>);
        kit::succeeds<Device>(of.tables());
        to.template run<Device>(of.tables(false));
        CHECK(to.error(of.all.problems, plan_of) <= accuracy<T>);
      }
}

TEMPLATE_LIST_TEST_CASE("sorted points on a line go to their partners where epsilon is small",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  index_t const n = 40;
  kit::sinkhorn_batch<T> all(kit::problems({{n, n}}), 200, 1);
  kit::framed<T> x(n, 1), y(n, 1);
  kit::fill(x, [](index_t i, index_t) { return T(i); });
  kit::fill(y, [](index_t j, index_t) { return T(double(j) + (j % 2 == 0 ? 0.2 : -0.2)); });
  all.epsilon = T(0.03);
  auto const p = all.primitive();
  sinkhorn<T, host_memory, table_cost<T, host_memory, squared_difference>> const line{
      .batch = p.batch,
      .cost = {.teacher = x.matrix(), .student = y.matrix()},
      .epsilon = p.epsilon,
      .iterations = p.iterations,
      .history = p.history,
      .distance = p.distance};
  kit::succeeds<Device>(line);
  kit::framed<T> out(n, 1);
  kit::succeeds<Device>(barycentric_projection<T, host_memory, decltype(line.cost)>{
      .of = line, .points = y.matrix(), .out = out.matrix()});
  kit::largest_error error;
  for (index_t i = 0; i < n; ++i) error.absolute(out(i, 0), y(i, 0));
  CHECK(error.value <= 1e-3);
}

TEMPLATE_LIST_TEST_CASE("projections stay among the points, and their mean is that of the points",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains) {
    kit::finished_transport<T> of(domain, 1, {}, {{60, 80}});
    kit::succeeds<Device>(of.matrix());
    projected<T> to(of.all, 2);
    kit::fill(to.points, [&](index_t j, index_t l) {
      return l == 0 ? T(0.75) : to.points(j, l);  // a constant stays what it is
    });
    to.template run<Device>(of.matrix());
    long double is = 0, should = 0;
    T least = infinity<T>, most = -infinity<T>;
    for (index_t j = 0; j < 80; ++j) {
      should += of.all.column_marginal(j) * to.points(j, 1);
      if (of.all.column_marginal(j) == T(0)) continue;
      least = std::min(least, to.points(j, 1));
      most = std::max(most, to.points(j, 1));
    }
    double const rounding = std::is_same_v<T, float> ? 1e-6 : 1e-14;
    for (index_t i = 0; i < 60; ++i) {
      long double mass = 0;
      for (index_t j = 0; j < 80; ++j) mass += of.all.plan(i, j);
      is += mass * to.out(i, 1);
      if (i == of.no_mass_row) continue;
      CHECK(std::abs(double(to.out(i, 0)) - 0.75) <= rounding);
      CHECK(double(to.out(i, 1)) >= double(least) - rounding);
      CHECK(double(to.out(i, 1)) <= double(most) + rounding);
    }
    CHECK(std::abs(double(is - should)) <= accuracy<T> * std::abs(double(should)));
  }
}

TEMPLATE_LIST_TEST_CASE("a token sees nothing of a point that it must not be paired with",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains) {
    kit::finished_transport<T> of(domain, 1, {}, {{30, 41}});
    kit::succeeds<Device>(of.matrix());
    projected<T> to(of.all, 3);
    for (index_t j = 0; j < 41; ++j)
      if (j != 17) of.all.cost(8, j) = infinity<T>;
    for (index_t j = 0; j < 41; ++j) of.all.cost(9, j) = infinity<T>;
    to.template run<Device>(of.matrix());
    for (index_t l = 0; l < 3; ++l) {
      CHECK(double(to.out(8, l)) == Approx(double(to.points(17, l))).epsilon(1e-6));
      CHECK(to.out(9, l) == T(0));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the projection has the same bits on any number of threads",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains) {
    kit::finished_transport<T> of(domain, 1, {}, {{150, 170}, {40, 30}, {7, 300}});
    projected<T> matrix(of.all, 7), tables(of.all, 7);
    {
      kit::thread_count const set(1);
      kit::succeeds<Device>(of.tables());
      matrix.template run<Device>(of.matrix());
      tables.template run<Device>(of.tables());
    }
    for (int const threads : {2, 3, 7}) {
      kit::thread_count const set(threads);
      projected<T> again(of.all, 7);
      again.template run<Device>(of.matrix());
      CHECK(again.out.same_bits(matrix.out));
      again.template run<Device>(of.tables(false));
      CHECK(again.out.same_bits(tables.out));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of barycentric_projection are named, nothing is written",
                        "[barycentric_projection]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::finished_transport<T> of(sinkhorn_domain::automatic, 0);
  kit::succeeds<Device>(of.tables());
  projected<T> to(of.all, 3);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(to.primitive(of.matrix()), code, argument, change);
    kit::refuses<Device>(to.primitive(of.tables()), code, argument, change);
  };
  refuses(fault::shape, "sinkhorn.batch", [](auto& p) { p.of.batch.rows = 2; });
  refuses(fault::value, "sinkhorn.epsilon", [](auto& p) { p.of.epsilon = -T(1); });
  refuses(fault::shape, "sinkhorn.history.column_scaling",
          [](auto& p) { p.of.history.column_scaling.cols = 4; });
  for (index_t const kept : {0, 4})
    refuses(fault::shape, "barycentric_projection.of.history.row_scaling", [&](auto& p) {
      p.of.history.row_scaling.rows = p.of.history.column_scaling.rows = kept;
    });
  refuses(fault::shape, "barycentric_projection.points", [](auto& p) { p.points.rows -= 1; });
  refuses(fault::shape, "barycentric_projection.points", [](auto& p) { p.points.data = nullptr; });
  refuses(fault::shape, "barycentric_projection.out", [](auto& p) { p.out.cols = 2; });
  refuses(fault::shape, "barycentric_projection.out", [](auto& p) { p.out.rows += 1; });
  refuses(fault::shape, "barycentric_projection.out", [](auto& p) { p.out.data = nullptr; });
  refuses(fault::shape, "barycentric_projection.out", [](auto& p) { p.out.row_stride = 1; });
  CHECK(to.out.untouched());
  for (T const bad : {infinity<T>, -infinity<T>, std::numeric_limits<T>::quiet_NaN()}) {
    T const good = to.points(7, 2);
    to.points(7, 2) = bad;
    status const answers[] = {kit::run<Device>(to.primitive(of.matrix())),
                              kit::run<Device>(to.primitive(of.tables()))};
    for (status const& answer : answers) {
      CHECK(answer.code == fault::data);
      CHECK(std::string(answer.argument) == "barycentric_projection.points");
      CHECK(answer.row == 7);
      CHECK(answer.column == 2);
    }
    to.points(7, 2) = good;
  }
  if (!kit::is_emulated<Device>) CHECK(to.out.untouched());  // kernels find it while they write
}
