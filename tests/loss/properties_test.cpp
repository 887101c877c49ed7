// What must hold whatever the numbers are.
#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;

template <class T>
constexpr double rounding = sizeof(T) == 4 ? 1e-5 : 1e-10;

template <class T>
std::vector<std::vector<long double>> rows_of(kit::framed<T>& x) {
  std::vector<std::vector<long double>> rows;
  for (index_t i = 0; i < x.rows(); ++i) {
    rows.emplace_back();
    for (index_t j = 0; j < x.cols(); ++j) rows.back().push_back(x(i, j));
  }
  return rows;
}
/// The same logits with ids renamed: id v becomes `to[v]`.
oracle::table renamed(oracle::table const& z, std::vector<long> const& to) {
  auto out = z;
  for (std::size_t r = 0; r < z.rows; ++r)
    for (std::size_t v = 0; v < z.cols; ++v) out(r, std::size_t(to[v])) = z(r, v);
  return out;
}
std::vector<long> shuffled(random_source& random, std::size_t size) {
  std::vector<long> to(size);
  std::iota(to.begin(), to.end(), 0L);
  for (std::size_t i = size - 1; i > 0; --i)
    std::swap(to[i], to[std::size_t(random.below(long(i) + 1))]);
  return to;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("adding a number to a row of logits changes nothing", "", every_device) {
  using T = typename TestType::scalar;
  auto p = some_batch();
  for (auto* const z : {&p.teacher, &p.student})  // so that sums with 0.25 r are exact
    for (double& x : z->values) x = std::round(x * 0x1p12) * 0x1p-12;
  owned_loss<T> before(p);
  for (auto* const z : {&p.teacher, &p.student})
    for (std::size_t r = 0; r < z->rows; ++r)
      for (std::size_t v = 0; v < z->cols; ++v) (*z)(r, v) += 0.25 * double(r) - 3;
  owned_loss<T> after(p);
  REQUIRE(before.run(typename TestType::device()).ok());
  REQUIRE(after.run(typename TestType::device()).ok());
  CHECK(before.terms.same_bits(after.terms));
  CHECK(before.gradient.same_bits(after.gradient));
}

TEMPLATE_LIST_TEST_CASE("renaming vocabulary ids renames the gradient and leaves the terms", "",
                        every_device) {
  using T = typename TestType::scalar;
  random_source random(11);
  auto p = some_batch();
  owned_loss<T> before(p);
  REQUIRE(before.run(typename TestType::device()).ok());
  auto const teacher_to = shuffled(random, p.teacher.cols);
  auto const student_to = shuffled(random, p.student.cols);
  p.teacher = renamed(p.teacher, teacher_to);
  p.student = renamed(p.student, student_to);
  for (long& y : p.labels) y = y < 0 ? y : student_to[std::size_t(y)];
  owned_loss<T> after(p);
  REQUIRE(after.run(typename TestType::device()).ok());
  for (index_t c = 0; c < 5; ++c)
    CHECK(difference_of(after.terms(c), before.terms(c)) <= rounding<T>);
  auto expected = rows_of(before.gradient);
  for (auto& row : expected) {
    auto const old = row;
    for (std::size_t v = 0; v < old.size(); ++v) row[std::size_t(student_to[v])] = old[v];
  }
  CHECK(difference_of(after.gradient, expected) <= rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("a batch has the bits of a loop over its sequences", "", every_device) {
  using T = typename TestType::scalar;
  auto const p = batch_of(9, {4, 2, 6, 1, 17}, {5, 0, 3, 9, 16}, 70, 65);
  owned_loss<T> whole(p);
  REQUIRE(whole.run(typename TestType::device()).ok());
  index_t plan_row = 0;
  for (std::size_t b = 0; b < p.student_rows.size(); ++b) {
    auto one = p;
    one.teacher_rows = {p.teacher_rows[b]}, one.student_rows = {p.student_rows[b]};
    owned_loss<T> part(one);
    REQUIRE(part.run(typename TestType::device()).ok());
    for (index_t c = 0; c < 4; ++c) {
      CHECK(part.sequence_terms(0, c) == whole.sequence_terms(index_t(b), c));
      CHECK(part.terms(c) == whole.sequence_terms(index_t(b), c));
    }
    for (long const r : p.student_rows[b])
      for (index_t v = 0; v < 65; ++v) CHECK(part.gradient(r, v) == whole.gradient(r, v));
    for (index_t i = 0; i < part.plan.rows(); ++i, ++plan_row)
      for (index_t j = 0; j < part.plan.cols(); ++j)
        CHECK(part.plan(i, j) == whole.plan(plan_row, j));
  }
}

TEMPLATE_LIST_TEST_CASE("rows that are no token are not read, and their gradient is 0", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto p = some_batch();
  owned_loss<T> clean(p);
  REQUIRE(clean.run(typename TestType::device()).ok());
  std::vector<bool> is_token(p.student.rows, false);
  for (auto const& rows : p.student_rows)
    for (long const r : rows) is_token[std::size_t(r)] = true;
  owned_loss<T> dirty(p);
  std::vector<bool> teacher_token(p.teacher.rows, false);
  for (auto const& rows : p.teacher_rows)
    for (long const r : rows) teacher_token[std::size_t(r)] = true;
  auto const spoil = [](kit::framed<T>& z, std::vector<bool> const& token) {
    for (index_t r = 0; r < z.rows(); ++r)
      for (index_t v = 0; v < z.cols() && !token[std::size_t(r)]; ++v)
        z(r, v) = std::numeric_limits<T>::quiet_NaN();
  };
  spoil(dirty.student, is_token);
  spoil(dirty.teacher, teacher_token);
  REQUIRE(dirty.run(typename TestType::device()).ok());
  CHECK(dirty.same_bits(clean));
  for (index_t r = 0; r < dirty.gradient.rows(); ++r)
    for (index_t v = 0; v < dirty.gradient.cols() && !is_token[std::size_t(r)]; ++v)
      CHECK(dirty.gradient(r, v) == T(0));
}

TEMPLATE_LIST_TEST_CASE("strides and places in memory do not change a bit", "", every_device) {
  using T = typename TestType::scalar;
  auto const p = batch_of(2, {9, 3}, {7, 8}, 67, 131);
  owned_loss<T> plain(p, {});
  REQUIRE(plain.run(typename TestType::device()).ok());
  for (kit::layout const where : {kit::layout{1, 3, 1}, kit::layout{5, 17, 1}}) {
    owned_loss<T> moved(p, where);
    REQUIRE(moved.run(typename TestType::device()).ok());
    CHECK(moved.same_bits(plain));
    CHECK(moved.gradient.exactly_written());
  }
  owned_loss<T> apart(p, {3, 0, 2});  // columns two elements apart: other loops, the same numbers
  REQUIRE(apart.run(typename TestType::device()).ok());
  for (index_t c = 0; c < 5; ++c)
    CHECK(difference_of(apart.terms(c), plain.terms(c)) <= rounding<T>);
  CHECK(difference_of(apart.gradient, rows_of(plain.gradient)) <= rounding<T>);
  CHECK(apart.gradient.exactly_written());
}

TEMPLATE_LIST_TEST_CASE("the gradient may be written over the student's logits", "", every_device) {
  using T = typename TestType::scalar;
  auto const p = some_batch();
  owned_loss<T> beside(p), over(p);
  REQUIRE(beside.run(typename TestType::device()).ok());
  over.loss.gradient = over.student.matrix();
  REQUIRE(over.run(typename TestType::device()).ok());
  CHECK(over.student.same_bits(beside.gradient));
  CHECK(over.terms.same_bits(beside.terms));
}

TEMPLATE_LIST_TEST_CASE("at convergence teacher and student may swap sides of the transport", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto p = batch_of(21, {6}, {6}, 20, 20);
  p.labels.clear();
  p.epsilon = 0.5, p.iterations = 300;
  owned_loss<T> one_way(p);
  std::swap(p.teacher, p.student), std::swap(p.teacher_rows, p.student_rows);
  owned_loss<T> other_way(p);
  REQUIRE(one_way.run(typename TestType::device()).ok());
  REQUIRE(other_way.run(typename TestType::device()).ok());
  CHECK(difference_of(one_way.terms(1), other_way.terms(1)) <= rounding<T>);
  CHECK(difference_of(one_way.terms(3), other_way.terms(3)) <= rounding<T>);
  for (index_t i = 0; i < 6; ++i)
    for (index_t j = 0; j < 6; ++j)
      CHECK(std::fabs(one_way.plan(i, j) - other_way.plan(j, i)) <= rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("columns of the plan sum to 1 and rows of the gradient to 0", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto const p = batch_of(12, {40}, {33}, 90, 120);
  owned_loss<T> owned(p);
  REQUIRE(owned.run(typename TestType::device()).ok());
  for (index_t j = 0; j < 33; ++j) {
    double sum = 0;
    for (index_t i = 0; i < 40; ++i) {
      CHECK(owned.plan(i, j) >= T(0));
      sum += double(owned.plan(i, j));
    }
    CHECK(sum == Approx(1).epsilon(rounding<T>));
  }
  for (index_t r = 0; r < owned.gradient.rows(); ++r) {  // softmax does not see a shift
    double sum = 0, size = 0;
    for (index_t v = 0; v < 120; ++v)
      sum += owned.gradient(r, v), size += std::fabs(owned.gradient(r, v));
    CHECK(std::fabs(sum) <= rounding<T> * size);
  }
}

TEMPLATE_LIST_TEST_CASE("upstream and divisor scale by powers of two without changing a digit", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto p = some_batch();
  owned_loss<T> plain(p);
  REQUIRE(plain.run(typename TestType::device()).ok());
  p.upstream = -64, p.divisor = 4;
  owned_loss<T> scaled(p);
  REQUIRE(scaled.run(typename TestType::device()).ok());
  for (index_t c = 0; c < 5; ++c) CHECK(scaled.terms(c) == plain.terms(c) / 4);
  CHECK(scaled.sequence_terms.same_bits(plain.sequence_terms));
  for (index_t r = 0; r < plain.gradient.rows(); ++r)
    for (index_t v = 0; v < plain.gradient.cols(); ++v)
      CHECK(scaled.gradient(r, v) == -16 * plain.gradient(r, v));
}

TEMPLATE_LIST_TEST_CASE("the smallest epsilon and the largest logits stay finite", "",
                        every_device) {
  using T = typename TestType::scalar;
  for (double const epsilon : {1e-5, 1e-12, 1e6})
    for (double const scale : {1., 1000.}) {
      INFO(epsilon << " " << scale);
      auto p = some_batch();
      for (double& x : p.student.values) x *= scale;
      for (double& x : p.teacher.values) x *= scale;
      p.epsilon = epsilon;
      owned_loss<T> owned(p);
      REQUIRE(owned.run(typename TestType::device()).ok());
      for (index_t c = 0; c < 5; ++c) CHECK(std::isfinite(owned.terms(c)));
      for (auto const& row : rows_of(owned.gradient))
        CHECK(std::all_of(row.begin(), row.end(), [](auto g) { return std::isfinite(g); }));
    }
}

TEMPLATE_LIST_TEST_CASE("one token against one, and identical logits, have their closed forms", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto p = batch_of(14, {1}, {1}, 30, 30);
  p.transport_temperature = 1;  // then the transport cost is the aligned difference
  p.k = 1000;                   // and nothing is cut
  owned_loss<T> one(p);
  REQUIRE(one.run(typename TestType::device()).ok());
  CHECK(one.plan(0, 0) == Approx(1).epsilon(rounding<T>));
  CHECK(difference_of(one.terms(3), one.terms(1)) <= rounding<T>);
  p.student = p.teacher;
  p.alpha = 1, p.beta = 0, p.gamma = 0;
  p.labels.clear();
  owned_loss<T> alike(p);
  REQUIRE(alike.run(typename TestType::device()).ok());
  CHECK(alike.terms(1) == T(0));
  CHECK(alike.terms(3) == T(0));
  for (auto const& row : rows_of(alike.gradient))
    CHECK(std::all_of(row.begin(), row.end(), [](auto g) { return g == 0; }));
}
