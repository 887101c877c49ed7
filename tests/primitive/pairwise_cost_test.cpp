#include "mlot/primitive/pairwise_cost.hpp"

#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "problems.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
/// Half the squared difference: another ground cost than the library's.
struct half_square {
  template <class V>
  static V value(V const& teacher, V const& student) {
    return V(V(teacher - student) * V(teacher - student) * V(0.5));
  }
  template <class V>
  static V slope(V const& teacher, V const& student) {
    return V(student - teacher);
  }
};

/// Tables of probabilities (rows sum to at most 1), some entries equal on both sides.
template <class T>
struct batch {
  kit::problems problems;
  kit::framed<T> teacher, student, cost, upstream, weight, gradient;
  batch(kit::problems shapes, index_t k, kit::layout where = {1, 3, 1})
      : problems(std::move(shapes)),
        teacher(problems.rows(), k, where),
        student(problems.columns(), k, where),
        cost(problems.rows(), problems.longest_row + 2, where),
        upstream(problems.rows(), problems.longest_row + 1, where),
        weight(problems.count()),
        gradient(problems.columns(), k, where) {
    random_source random{std::uint64_t(k * 100 + problems.rows())};
    auto const entry = [&](index_t, index_t l) {
      return l % 4 == 1 ? T(0.25) / T(k) : T(random.uniform() / double(k));
    };
    kit::fill(teacher, entry);
    kit::fill(student, entry);
    problems.for_each([&](index_t i, index_t j, index_t) { upstream(i, j) = T(random.normal()); });
    kit::fill(weight, [](index_t, index_t b) { return T(b) - T(0.6); });
  }
  pairwise_cost<T, host_memory> primitive() {
    return {.teacher = teacher.matrix(),
            .student = student.matrix(),
            .batch = problems.view(),
            .cost = cost.matrix()};
  }
  pairwise_cost_gradient<T, host_memory> backward() {
    return {.of = primitive(),
            .upstream = upstream.matrix(),
            .weight = host::vector<T const>(weight.vector()),
            .student_gradient = gradient.matrix()};
  }
  static oracle::matrix rows(host::matrix<T> m, index_t first, index_t last) {
    return kit::problems({{last - first, m.cols}}).part(m.row_range(first, last - first), 0);
  }
};
template <class Device, class T>
void compare(batch<T>& all, kit::largest_error& cost, kit::norm_error& gradient) {
  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(all.backward());
  REQUIRE(all.problems.exactly_written(all.cost));
  REQUIRE(all.gradient.exactly_written());
  auto const shape = all.problems.view();
  for (index_t b = 0; b < shape.problems(); ++b) {
    auto const t = all.rows(all.teacher.matrix(), shape.row_offset(b), shape.row_offset(b + 1));
    auto const s =
        all.rows(all.student.matrix(), shape.column_offset(b), shape.column_offset(b + 1));
    auto const c = oracle::cost(t, s);
    auto const own = shape.of(all.cost.matrix(), b);
    for (index_t i = 0; i < own.rows; ++i)
      for (index_t j = 0; j < own.cols; ++j)
        cost.absolute(own(i, j), c[std::size_t(i)][std::size_t(j)]);
    auto const g = oracle::cost_gradient(all.problems.part(all.upstream.matrix(), b), t, s);
    for (index_t j = 0; j < own.cols; ++j)
      for (index_t l = 0; l < all.student.cols(); ++l)
        gradient.add(all.gradient(shape.column_offset(b) + j, l),
                     all.weight(b) * g[std::size_t(j)][std::size_t(l)]);
  }
}
template <class T>
bool close(kit::largest_error const& cost, kit::norm_error const& gradient) {
  bool const narrow = std::is_same_v<T, float>;
  CHECK(cost.value <= (narrow ? 1e-6 : 1e-14));
  CHECK(gradient.value() <= (narrow ? 1e-6 : 1e-14));
  return cost.value > 0;  // comparing something with itself would show
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("cost and gradient are the oracle's for every number of columns and layout",
                        "[pairwise_cost]", every_device) {
  using T = typename TestType::scalar;
  kit::largest_error cost;
  kit::norm_error gradient;
  for (index_t const k : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T> all(kit::problems({{3, 5}, {0, 2}, {2, 0}, {0, 0}, {1, 1}, {9, 4}}), k, where);
      compare<typename TestType::device>(all, cost, gradient);
    }
  CHECK(close<T>(cost, gradient));
}

TEMPLATE_LIST_TEST_CASE("cost and gradient are the oracle's for every number of tokens",
                        "[pairwise_cost]", every_device) {
  using T = typename TestType::scalar;
  kit::largest_error cost;
  kit::norm_error gradient;
  for (index_t const n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129}) {
    batch<T> all(kit::problems({{5, n}, {n, 3}, {n, n}}), 6);
    compare<typename TestType::device>(all, cost, gradient);
  }
  CHECK(close<T>(cost, gradient));
}

TEMPLATE_LIST_TEST_CASE("the cost is 0 between equal rows, symmetric, and at most 2",
                        "[pairwise_cost]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  batch<T> all(kit::problems({{20, 20}}), 33), swapped(kit::problems({{20, 20}}), 33);
  kit::fill(all.teacher, [](index_t i, index_t l) { return T(i == l ? 1 : 0); });
  kit::fill(all.student, [](index_t j, index_t l) { return T((j * 3) % 20 == l ? 1 : 0); });
  kit::fill(swapped.teacher, [&](index_t i, index_t l) { return all.student(i, l); });
  kit::fill(swapped.student, [&](index_t i, index_t l) { return all.teacher(i, l); });
  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(swapped.primitive());
  index_t wrong = 0;
  for (index_t i = 0; i < 20; ++i)
    for (index_t j = 0; j < 20; ++j) {
      wrong += all.cost(i, j) != ((j * 3) % 20 == i ? 0 : 2);
      wrong += all.cost(i, j) != swapped.cost(j, i);
    }
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("the slope at equal entries is 0", "[pairwise_cost]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all(kit::problems({{9, 9}}), 17);
  kit::fill(all.teacher, [](index_t, index_t l) { return T(l) / 64; });
  kit::fill(all.student, [](index_t, index_t l) { return T(l) / 64; });
  kit::succeeds<typename TestType::device>(all.backward());
  for (index_t l = 0; l < 17; ++l) REQUIRE(all.gradient(8, l) == 0);
}

TEMPLATE_LIST_TEST_CASE("another ground cost brings its own value and slope", "[pairwise_cost]",
                        every_device) {
  using T = typename TestType::scalar;
  batch<T> all(kit::problems({{4, 11}}), 19);
  auto const p = all.primitive();
  pairwise_cost<T, host_memory, half_square> const squared{
      .teacher = p.teacher, .student = p.student, .batch = p.batch, .cost = p.cost};
  kit::succeeds<typename TestType::device>(squared);
  kit::succeeds<typename TestType::device>(pairwise_cost_gradient<T, host_memory, half_square>{
      .of = squared, .upstream = all.upstream.matrix(), .student_gradient = all.gradient.matrix()});
  kit::largest_error cost, gradient;
  for (index_t j = 0; j < 11; ++j)
    for (index_t l = 0; l < 19; ++l) {
      oracle::number sum = 0;
      for (index_t i = 0; i < 4; ++i)
        sum += oracle::number(all.upstream(i, j)) *
               (oracle::number(all.student(j, l)) - all.teacher(i, l));
      gradient.absolute(all.gradient(j, l), sum);
    }
  for (index_t i = 0; i < 4; ++i)
    for (index_t j = 0; j < 11; ++j) {
      oracle::number sum = 0;
      for (index_t l = 0; l < 19; ++l)
        sum += std::pow(oracle::number(all.student(j, l)) - all.teacher(i, l), 2) / 2;
      cost.absolute(all.cost(i, j), sum);
    }
  CHECK(cost.value <= std::numeric_limits<T>::epsilon());
  CHECK(gradient.value <= std::numeric_limits<T>::epsilon());
}

TEMPLATE_LIST_TEST_CASE("a batch is its problems one by one, bit by bit", "[pairwise_cost]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  batch<T> all(kit::problems({{5, 7}, {17, 3}, {1, 12}}), 13);
  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(all.backward());
  auto const shape = all.problems.view();
  index_t differing = 0;
  for (index_t b = 0; b < 3; ++b) {
    index_t const m = shape.row_count(b), n = shape.column_count(b);
    batch<T> one(kit::problems({{m, n}}), 13);
    index_t const i0 = shape.row_offset(b), j0 = shape.column_offset(b);
    kit::fill(one.teacher, [&](index_t i, index_t l) { return all.teacher(i0 + i, l); });
    kit::fill(one.student, [&](index_t j, index_t l) { return all.student(j0 + j, l); });
    one.problems.for_each(
        [&](index_t i, index_t j, index_t) { one.upstream(i, j) = all.upstream(i0 + i, j); });
    one.weight(0) = all.weight(b);
    kit::succeeds<Device>(one.primitive());
    kit::succeeds<Device>(one.backward());
    one.problems.for_each(
        [&](index_t i, index_t j, index_t) { differing += one.cost(i, j) != all.cost(i0 + i, j); });
    for (index_t j = 0; j < n; ++j)
      for (index_t l = 0; l < 13; ++l) differing += one.gradient(j, l) != all.gradient(j0 + j, l);
  }
  CHECK(differing == 0);
}

TEMPLATE_LIST_TEST_CASE("pairwise_cost: wrong arguments are named and nothing is written",
                        "[pairwise_cost]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all(kit::problems({{3, 5}, {4, 2}}), 9);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
    if (std::string(argument) != "pairwise_cost.cost")
      kit::refuses<typename TestType::device>(all.backward(), fault::shape, argument,
                                              [&](auto& p) { change(p.of); });
  };
  index_t const falling[] = {0, 8, 7}, from_one[] = {1, 3, 7};
  refuses("pairwise_cost.batch", [](auto& p) { p.batch.row_offset.size = 2; });
  refuses("pairwise_cost.batch", [](auto& p) { p.batch.column_offset.data = nullptr; });
  refuses("pairwise_cost.batch", [&](auto& p) { p.batch.row_offset.data = falling; });
  refuses("pairwise_cost.batch", [&](auto& p) { p.batch.row_offset.data = from_one; });
  refuses("pairwise_cost.batch", [](auto& p) { p.batch.longest_row = 4; });
  refuses("pairwise_cost.batch", [](auto& p) { p.batch.rows = 6; });
  refuses("pairwise_cost.batch", [](auto& p) { p.batch.columns = 8; });
  refuses("pairwise_cost.teacher", [](auto& p) { p.teacher.rows = 6; });
  refuses("pairwise_cost.teacher", [](auto& p) { p.teacher.data = nullptr; });
  refuses("pairwise_cost.student", [](auto& p) { p.student.cols = 8; });
  refuses("pairwise_cost.cost", [](auto& p) { p.cost.cols = 4; });
  refuses("pairwise_cost.cost", [](auto& p) { p.cost.rows = 8; });
  auto const backward = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.backward(), fault::shape, argument, change);
  };
  backward("pairwise_cost_gradient.upstream", [](auto& p) { p.upstream.cols = 4; });
  backward("pairwise_cost_gradient.weight", [](auto& p) { p.weight.each.size = 1; });
  backward("pairwise_cost_gradient.student_gradient", [](auto& p) { p.student_gradient.rows = 6; });
  CHECK(all.cost.untouched());
  CHECK(all.gradient.untouched());
}
