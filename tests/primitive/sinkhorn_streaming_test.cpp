#include "mlot/cost/squared_difference.hpp"
#include "mlot/interop/owned.hpp"
#include "primitive/sinkhorn_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-12;

/// A user's own ground cost: value and slope for a number and for lanes.
struct tilted_square {
  template <class V>
  static V value(V const& teacher, V const& student) {
    V const d = teacher - student;
    return V(d * d + d + V(0.25));
  }
  template <class V>
  static V slope(V const& teacher, V const& student) {
    V const d = student - teacher;
    return V(d + d - V(1));
  }
};

/// A batch whose cost comes from tables: with the matrix, and without it.
template <class T, class Ground>
struct tables_batch {
  using memory = host_memory;
  index_t width;
  kit::sinkhorn_batch<T> dense, streamed;
  kit::framed<T> teacher, student, dense_gradient, streamed_gradient, weight;

  tables_batch(std::vector<std::pair<index_t, index_t>> const& shapes, index_t iterations,
               index_t k = 7)
      : width(k),
        dense(kit::problems(shapes), iterations),
        streamed(kit::problems(shapes), iterations),
        teacher(dense.problems.rows(), k, {1, 2, 1}),
        student(dense.problems.columns(), k, {1, 1, 2}),
        dense_gradient(dense.problems.columns(), k),
        streamed_gradient(dense.problems.columns(), k, {1, 3, 1}),
        weight(dense.problems.count()) {
    random_source random(5);
    auto const entry = [&](index_t, index_t) { return T(random.uniform(0, 2 / double(k))); };
    kit::fill(teacher, entry);
    kit::fill(student, entry);
    kit::fill(weight, [](index_t, index_t b) { return T(double(b) + 0.5); });
    if (dense.problems.rows() > 2 && dense.problems.columns() > 3)
      for (index_t l = 0; l < k; ++l) student(3, l) = teacher(2, l);  // kinks
    for (auto* each : {&dense, &streamed}) {
      each->draw_marginals(6);
      each->epsilon = T(0.2);
    }
  }
  void set(sinkhorn_domain domain) { dense.domain = streamed.domain = domain; }
  auto pairwise() {
    return pairwise_cost<T, memory, Ground>{.teacher = teacher.matrix(),
                                            .student = student.matrix(),
                                            .batch = dense.problems.view(),
                                            .cost = dense.cost.matrix()};
  }
  sinkhorn<T, memory, table_cost<T, memory, Ground>> primitive(bool with_plan = true) {
    auto const p = streamed.primitive();
    return {.batch = p.batch,
            .cost = {.teacher = teacher.matrix(), .student = student.matrix()},
            .row_marginal = p.row_marginal,
            .column_marginal = p.column_marginal,
            .epsilon = p.epsilon,
            .iterations = p.iterations,
            .tolerance = p.tolerance,
            .domain = p.domain,
            .history = p.history,
            .plan = with_plan ? p.plan : host::matrix<T>(),
            .distance = p.distance,
            .report = p.report};
  }
  sinkhorn_table_gradient<T, memory, Ground> backward() {
    return {.of = primitive(false),
            .weight = host::vector<T const>(weight.vector()),
            .student_gradient = streamed_gradient.matrix(),
            .row_marginal_gradient = streamed.row_marginal_gradient.vector(),
            .column_marginal_gradient = streamed.column_marginal_gradient.vector()};
  }
  template <class Device>
  void with_matrix() {
    kit::succeeds<Device>(pairwise());
    dense.template forward_and_back<Device>();
    kit::succeeds<Device>(
        pairwise_cost_gradient<T, memory, Ground>{.of = pairwise(),
                                                  .upstream = dense.gradient.matrix(),
                                                  .weight = host::vector<T const>(weight.vector()),
                                                  .student_gradient = dense_gradient.matrix()});
  }
  template <class Device>
  void without_matrix() {
    kit::succeeds<Device>(primitive());
    kit::succeeds<Device>(backward());
    REQUIRE(streamed.problems.exactly_written(streamed.plan));
    REQUIRE(streamed_gradient.exactly_written());
  }
};

double difference(auto& is, auto& should) {
  kit::norm_error error;
  for (index_t i = 0; i < is.rows(); ++i)
    for (index_t j = 0; j < is.cols(); ++j)
      if (double(is(i, j)) != double(should(i, j))) error.add(is(i, j), should(i, j));
  long double norm = 0;
  for (index_t i = 0; i < is.rows(); ++i)
    for (index_t j = 0; j < is.cols(); ++j)
      if (std::isfinite(double(should(i, j)))) norm += double(should(i, j)) * double(should(i, j));
  error.norm = norm;
  return error.value();
}

template <class Device, class T, class Ground>
void compare() {
  std::vector<std::pair<index_t, index_t>> const ragged{{9, 14}, {70, 90}, {1, 6},  {5, 1},
                                                        {0, 3},  {3, 0},   {33, 65}};
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 2, 9}) {
      tables_batch<T, Ground> all(ragged, iterations);
      all.set(domain);
      all.template with_matrix<Device>();
      all.template without_matrix<Device>();
      CAPTURE(int(domain), iterations);
      for (index_t b = 0; b < all.dense.problems.count(); ++b)
        CHECK(kit::error_of(all.streamed.problems, all.streamed.plan, b,
                            all.dense.problems.part(all.dense.plan.matrix(), b)) <= accuracy<T>);
      CHECK(difference(all.streamed.distance, all.dense.distance) <= accuracy<T>);
      CHECK(difference(all.streamed.row_potential, all.dense.row_potential) <= accuracy<T>);
      CHECK(difference(all.streamed.dual, all.dense.dual) <= accuracy<T>);
      CHECK(difference(all.streamed_gradient, all.dense_gradient) <= 4 * accuracy<T>);
      CHECK(difference(all.streamed.row_marginal_gradient, all.dense.row_marginal_gradient) <=
            4 * accuracy<T>);
      CHECK(difference(all.streamed.column_marginal_gradient, all.dense.column_marginal_gradient) <=
            4 * accuracy<T>);
    }
}
}  // namespace

// What is stored narrow is widened without rounding: the same numbers, the same bits.
TEMPLATE_LIST_TEST_CASE("tables in half precision are tables of their values", "[sinkhorn]",
                        on_every_device<kit::each_storage>) {
  using T = typename TestType::scalar;
  using Table = typename TestType::storage;
  using Device = typename TestType::device;
  tables_batch<T, absolute_difference> all({{9, 14}, {70, 90}, {0, 2}}, 6),
      other({{9, 14}, {70, 90}, {0, 2}}, 6);
  kit::framed<Table> teacher(all.teacher.rows(), all.width, {1, 1, 2}),
      student(all.student.rows(), all.width, {1, 2, 1});
  kit::fill(teacher, [&](index_t i, index_t l) { return store_as<Table>(all.teacher(i, l)); });
  kit::fill(student, [&](index_t j, index_t l) { return store_as<Table>(all.student(j, l)); });
  kit::fill(all.teacher, [&](index_t i, index_t l) { return load_as<T>(teacher(i, l)); });
  kit::fill(all.student, [&](index_t j, index_t l) { return load_as<T>(student(j, l)); });
  kit::framed<T> cost(all.dense.problems.rows(), all.dense.problems.longest_row),
      gradient(all.student.rows(), all.width), upstream_gradient(all.student.rows(), all.width);
  using memory = host_memory;
  auto const problems = all.dense.problems.view();

  pairwise_cost<T, memory, absolute_difference, Table> const narrow{.teacher = teacher.matrix(),
                                                                    .student = student.matrix(),
                                                                    .batch = problems,
                                                                    .cost = cost.matrix()};
  kit::succeeds<Device>(narrow);
  kit::succeeds<Device>(all.pairwise());
  index_t different = 0;
  all.dense.problems.for_each(
      [&](index_t i, index_t j, index_t) { different += cost(i, j) != all.dense.cost(i, j); });
  CHECK(different == 0);
  kit::succeeds<Device>(pairwise_cost_gradient<T, memory, absolute_difference, Table>{
      .of = narrow, .upstream = cost.matrix(), .student_gradient = upstream_gradient.matrix()});
  kit::succeeds<Device>(pairwise_cost_gradient<T, memory>{
      .of = all.pairwise(), .upstream = cost.matrix(), .student_gradient = gradient.matrix()});
  CHECK(upstream_gradient.same_bits(gradient));

  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(all.backward());
  auto const like = other.primitive(false);
  sinkhorn<T, memory, table_cost<T, memory, absolute_difference, Table>> const p{
      .batch = like.batch,
      .cost = {.teacher = teacher.matrix(), .student = student.matrix()},
      .row_marginal = like.row_marginal,
      .column_marginal = like.column_marginal,
      .epsilon = like.epsilon,
      .iterations = like.iterations,
      .history = like.history,
      .distance = like.distance};
  kit::succeeds<Device>(p);
  kit::succeeds<Device>(
      sinkhorn_table_gradient<T, memory, absolute_difference, derivative::unrolled, Table>{
          .of = p,
          .weight = host::vector<T const>(all.weight.vector()),
          .student_gradient = other.streamed_gradient.matrix()});
  CHECK(other.streamed.distance.same_bits(all.streamed.distance));
  CHECK(other.streamed_gradient.same_bits(all.streamed_gradient));
}

TEMPLATE_LIST_TEST_CASE("a cost computed from tables gives what its matrix gives", "[sinkhorn]",
                        every_device) {
  compare<typename TestType::device, typename TestType::scalar, absolute_difference>();
}

TEMPLATE_LIST_TEST_CASE("squares and a user's ground cost stream as well", "[sinkhorn]",
                        every_device) {
  // One number type each: they compile for long, and differ from the first in one line.
  if constexpr (std::is_same_v<typename TestType::scalar, double>)
    compare<typename TestType::device, double, squared_difference>();
  else
    compare<typename TestType::device, float, tilted_square>();
}

TEMPLATE_LIST_TEST_CASE("the streamed gradient is what differences of the distance find",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    tables_batch<double, squared_difference> all({{6, 9}, {11, 4}}, 8);
    all.set(domain);
    all.without_matrix<Device>();
    kit::norm_error error;
    for (index_t j = 0; j < all.student.rows(); ++j)
      for (index_t l = 0; l < all.width; ++l) {
        index_t const b = j < 9 ? 0 : 1;
        double const s = all.student(j, l), h = 1e-5;
        auto const distance_at = [&](double x) {
          all.student(j, l) = x;
          kit::succeeds<Device>(all.primitive());
          return all.streamed.distance(b);
        };
        double const numeric = (distance_at(s + h) - distance_at(s - h)) / (2 * h);
        all.student(j, l) = s;
        error.add(all.streamed_gradient(j, l), all.weight(b) * numeric);
      }
    CAPTURE(int(domain));
    CHECK(error.value() <= 1e-8);
  }
}

TEMPLATE_LIST_TEST_CASE("streaming has the same bits on any number of threads", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    std::vector<std::pair<index_t, index_t>> const shapes{{150, 170}, {40, 30}};
    tables_batch<T, absolute_difference> one(shapes, 5), many(shapes, 5);
    one.set(domain);
    many.set(domain);
    {
      kit::thread_count const set(1);
      one.template without_matrix<Device>();
    }
    for (int const threads : {2, 3, 7}) {
      kit::thread_count const set(threads);
      many.template without_matrix<Device>();
      CHECK(many.streamed.plan.same_bits(one.streamed.plan));
      CHECK(many.streamed.distance.same_bits(one.streamed.distance));
      CHECK(many.streamed_gradient.same_bits(one.streamed_gradient));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("streaming needs no plan, and stops where a tolerance says", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  tables_batch<T, absolute_difference> all({{30, 41}, {8, 9}}, 80), again({{30, 41}, {8, 9}}, 80);
  for (auto* each : {&all, &again}) {
    each->streamed.tolerance = T(1e-2);
    each->streamed.epsilon = T(0.3);
  }
  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(again.primitive(false));
  CHECK(again.streamed.plan.untouched());
  CHECK(again.streamed.distance.same_bits(all.streamed.distance));
  CHECK(all.streamed.done(0) < 80);
  CHECK(all.streamed.converged(0) == 1);
}

TEMPLATE_LIST_TEST_CASE("no entry that the tables make infinite gets through", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  tables_batch<T, absolute_difference> all({{4, 5}, {6, 20}}, 3);
  all.teacher(7, 2) = infinity<T>;
  auto const answer = kit::run<typename TestType::device>(all.primitive());
  CHECK(answer.code == fault::data);
  CHECK(std::string(answer.argument) == "sinkhorn.cost");
  CHECK(all.streamed.distance.frame_untouched());
}

TEMPLATE_LIST_TEST_CASE("65536 tokens on either side need less than 256 MB", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using cost = table_cost<T, host_memory>;
  index_t const n = 65536, k = 50, iterations = 20, offsets[] = {0, n};
  // Views that only have a shape: sizes are asked for without memory.
  sinkhorn<T, host_memory, cost> const p{
      .batch = {{offsets, 2}, {offsets, 2}, n, n, n},
      .cost = {.teacher = {nullptr, n, k, k}, .student = {nullptr, n, k, k}},
      .iterations = iterations,
      .history = {.row_scaling = {nullptr, iterations, n, n},
                  .column_scaling = {nullptr, iterations, n, n},
                  .logarithmic = {nullptr, 1}},
      .distance = {nullptr, 1}};
  sinkhorn_table_gradient<T, host_memory> const back{.of = p,
                                                     .student_gradient = {nullptr, n, k, k}};
  typename TestType::device const device;
  std::size_t const history = std::size_t(2 * iterations * n) * sizeof(T);
  std::size_t const forward = workspace_size(device, p) + history;
  std::size_t const whole =
      std::max(workspace_size(device, p), workspace_size(device, back)) + history;
  CAPTURE(forward, whole);
  if (std::is_same_v<T, float>) CHECK(whole < 256'000'000);
  CHECK(whole < 512'000'000);
}
