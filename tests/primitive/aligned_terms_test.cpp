#include "mlot/primitive/aligned_terms.hpp"

#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
using numbers = std::vector<index_t>;
host::vector<index_t const> view(numbers const& x) { return {x.data(), index_t(x.size())}; }

/// Four sequences: longer teacher, no teacher, no student, longer student. Probabilities are
/// multiples of 1/64, so that some agree exactly; every seventh student column is missing.
template <class T>
struct batch {
  numbers teacher_offset{0, 4, 4, 6, 8}, student_offset{0, 3, 5, 5, 10};
  numbers pair_offset, pair_teacher, pair_student;
  bool mean = false;  ///< over the pairs
  kit::framed<T> teacher, student, student_log;
  kit::framed<T> difference{4}, logarithm{4}, difference_weight{4}, logarithm_weight{4};
  kit::framed<T> table_gradient, log_gradient;
  explicit batch(index_t k, kit::layout where = {1, 3, 1})
      : teacher(8, k, where),
        student(10, k, where),
        student_log(10, k, where),
        table_gradient(10, k, where),
        log_gradient(10, k, where) {
    random_source random{std::uint64_t(k)};
    kit::fill(teacher, [&](index_t, index_t) { return T(random.below(65)) / 64; });
    kit::fill(student,
              [&](index_t, index_t l) { return l % 7 == 6 ? T(0) : T(1 + random.below(64)) / 64; });
    kit::fill(student_log, [&](index_t j, index_t l) { return std::log(student(j, l)); });
    kit::fill(difference_weight, [](index_t, index_t b) { return T(b) + T(0.3); });
    kit::fill(logarithm_weight, [](index_t, index_t b) { return T(2) - T(0.7) * T(b); });
  }
  /// Tokens in several pairs or in none.
  void give_pairs() {
    pair_offset = {0, 5, 5, 5, 8};
    pair_teacher = {3, 0, 3, 1, 0, 1, 1, 0};
    pair_student = {0, 1, 1, 2, 2, 0, 4, 4};
  }
  aligned_terms<T, host_memory> primitive() {
    return {.teacher = teacher.matrix(),
            .student = student.matrix(),
            .student_log = student_log.matrix(),
            .teacher_offset = view(teacher_offset),
            .student_offset = view(student_offset),
            .pairs = {view(pair_offset), view(pair_teacher), view(pair_student)},
            .mean_over_pairs = mean,
            .holistic_difference = difference.vector(),
            .sequential_logarithm = logarithm.vector()};
  }
  aligned_terms_gradient<T, host_memory> gradient() {
    return {.of = primitive(),
            .difference_weight = host::vector<T const>(difference_weight.vector()),
            .logarithm_weight = host::vector<T const>(logarithm_weight.vector()),
            .table_gradient = table_gradient.matrix(),
            .log_gradient = log_gradient.matrix()};
  }
  static oracle::matrix table(host::matrix<T> m, index_t first, index_t last) {
    oracle::matrix rows;
    for (index_t i = first; i < last; ++i) {
      oracle::vector row;
      for (index_t l = 0; l < m.cols; ++l) row.push_back(m(i, l));
      rows.push_back(row);
    }
    return rows;
  }
  oracle::pairs pairs(std::size_t b) const {
    if (pair_offset.empty())
      return oracle::by_position(std::size_t(teacher_offset[b + 1] - teacher_offset[b]),
                                 std::size_t(student_offset[b + 1] - student_offset[b]));
    oracle::pairs all;
    for (auto i = std::size_t(pair_offset[b]); i < std::size_t(pair_offset[b + 1]); ++i)
      all.emplace_back(pair_teacher[i], pair_student[i]);
    return all;
  }
};

template <class T>
double allowed() {
  return std::is_same_v<T, float> ? 1e-6 : 1e-13;
}
template <class Device, class T>
void compare(batch<T>& all, kit::largest_error& terms, kit::largest_error& gradients) {
  kit::succeeds<Device>(all.primitive());
  kit::succeeds<Device>(all.gradient());
  REQUIRE(all.difference.exactly_written());
  REQUIRE(all.logarithm.exactly_written());
  REQUIRE(all.table_gradient.exactly_written());
  REQUIRE(all.log_gradient.exactly_written());
  oracle::number const none = 0;
  std::size_t const k = std::size_t(all.student.cols());
  for (std::size_t b = 0; b < 4; ++b) {
    auto const t =
        all.table(all.teacher.matrix(), all.teacher_offset[b], all.teacher_offset[b + 1]);
    auto const s =
        all.table(all.student.matrix(), all.student_offset[b], all.student_offset[b + 1]);
    auto const log_s =
        all.table(all.student_log.matrix(), all.student_offset[b], all.student_offset[b + 1]);
    auto const pairs = all.pairs(b);
    oracle::number const share = all.mean && !pairs.empty() ? 1 / oracle::number(pairs.size()) : 1;
    terms.relative(all.difference(index_t(b)), share * oracle::holistic_difference(t, s, pairs));
    terms.relative(all.logarithm(index_t(b)),
                   share * oracle::sequential_logarithm(t, log_s, pairs));
    oracle::matrix signs(s.size(), oracle::vector(k, 0)), sums = signs;
    for (auto const& [i, j] : pairs)
      for (std::size_t l = 0; l < k; ++l) {
        signs[j][l] += oracle::sign(s[j][l] - t[i][l]);
        sums[j][l] += log_s[j][l] > -oracle::infinity ? t[i][l] : none;
      }
    for (std::size_t j = 0; j < s.size(); ++j)
      for (std::size_t l = 0; l < k; ++l) {
        index_t const row = all.student_offset[b] + index_t(j), column = index_t(l);
        gradients.relative(all.table_gradient(row, column),
                           share * all.difference_weight(index_t(b)) * signs[j][l]);
        gradients.relative(all.log_gradient(row, column),
                           -share * all.logarithm_weight(index_t(b)) * sums[j][l]);
      }
  }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("both terms and their gradients are the oracle's, by position and by pairs",
                        "[aligned_terms]", every_device) {
  using T = typename TestType::scalar;
  kit::largest_error terms, gradients;
  for (index_t const k : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout)
      for (bool const pairs : {false, true}) {
        batch<T> all(k, where);
        all.mean = k % 2 == 1;
        if (pairs) all.give_pairs();
        compare<typename TestType::device>(all, terms, gradients);
      }
  CHECK(terms.value <= allowed<T>());
  CHECK(gradients.value <= allowed<T>());
}

TEMPLATE_LIST_TEST_CASE("the gradients are central differences of the weighed terms",
                        "[aligned_terms]", every_device) {
  using T = typename TestType::scalar;
  if constexpr (std::is_same_v<T, double>) {
    batch<T> all(9);
    all.give_pairs();
    auto const value = [&] {
      kit::succeeds<typename TestType::device>(all.primitive());
      double sum = 0;
      for (index_t b = 0; b < 4; ++b)
        sum += all.difference_weight(b) * all.difference(b) +
               all.logarithm_weight(b) * all.logarithm(b);
      return sum;
    };
    kit::succeeds<typename TestType::device>(all.gradient());
    kit::largest_error error;
    auto const differentiate = [&](kit::framed<T>& variable, kit::framed<T>& gradient) {
      for (index_t j = 0; j < 10; ++j)
        for (index_t l = 0; l < 9; ++l) {
          T const x = variable(j, l), h = 1e-5;
          if (x == -infinity<T>) continue;
          variable(j, l) = x + h;
          double const above = value();
          variable(j, l) = x - h;
          double const below = value();
          variable(j, l) = x;
          error.absolute((above - below) / (2 * h), gradient(j, l));
        }
    };
    differentiate(all.student, all.table_gradient);
    differentiate(all.student_log, all.log_gradient);
    CHECK(error.value <= 1e-8);
  } else {
    CHECK(sizeof(T) == 4);  // differences of floats say little
  }
}

TEMPLATE_LIST_TEST_CASE("a missing column counts as 0 in HAD, not in SL, and t = 0 nothing at all",
                        "[aligned_terms]", every_device) {
  using T = typename TestType::scalar;
  for (index_t const k : {3, 16, 35}) {
    batch<T> all(k);
    kit::fill(all.student, [](index_t, index_t) { return T(0); });
    kit::fill(all.student_log, [](index_t, index_t) { return -infinity<T>; });
    kit::largest_error terms, gradients;
    compare<typename TestType::device>(all, terms, gradients);
    CHECK(terms.value <= allowed<T>());
    CHECK(gradients.value <= allowed<T>());
    CHECK(all.difference(0) > 0);
    CHECK(all.logarithm(0) == 0);
    kit::fill(all.teacher, [](index_t, index_t) { return T(0); });
    kit::fill(all.student_log,
              [](index_t, index_t l) { return l % 2 == 0 ? -infinity<T> : T(-1e30); });
    compare<typename TestType::device>(all, terms, gradients);
    CHECK(all.logarithm(0) == 0);
    CHECK(all.difference(0) == 0);
    CHECK(all.table_gradient(0, 0) == 0);  // sign(0) = 0
  }
}

TEMPLATE_LIST_TEST_CASE("a weight of one for all is that weight for each", "[aligned_terms]",
                        every_device) {
  using T = typename TestType::scalar;
  batch<T> one(17), each(17);
  kit::fill(each.difference_weight, [](index_t, index_t) { return T(0.7); });
  kit::fill(each.logarithm_weight, [](index_t, index_t) { return T(-3); });
  auto p = one.gradient();
  p.difference_weight = T(0.7);
  p.logarithm_weight = T(-3);
  kit::succeeds<typename TestType::device>(p);
  kit::succeeds<typename TestType::device>(each.gradient());
  CHECK(one.table_gradient.same_bits(each.table_gradient));
  CHECK(one.log_gradient.same_bits(each.log_gradient));
}

TEMPLATE_LIST_TEST_CASE("aligned_terms: wrong arguments are named and nothing is written",
                        "[aligned_terms]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all(9);
  all.give_pairs();
  auto const refuses = [&](char const* argument, auto change, fault code = fault::shape) {
    kit::refuses<typename TestType::device>(all.primitive(), code, argument, change);
    kit::refuses<typename TestType::device>(all.gradient(), code, argument,
                                            [&](auto& p) { change(p.of); });
  };
  refuses("aligned_terms.teacher", [](auto& p) { p.teacher.data = nullptr; });
  refuses("aligned_terms.student", [](auto& p) { p.student.cols = 8; });
  refuses("aligned_terms.student_log", [](auto& p) { p.student_log.rows = 9; });
  refuses("aligned_terms.teacher_offset", [](auto& p) { p.teacher_offset.size = 4; });
  refuses("aligned_terms.student_offset", [](auto& p) { p.student_offset.data = nullptr; });
  refuses("aligned_terms.pairs", [](auto& p) { p.pairs.offset.size = 4; });
  numbers const unsorted{1, 0, 1, 2, 2, 0, 4, 4};
  refuses(
      "aligned_terms.pairs", [&](auto& p) { p.pairs.student = view(unsorted); }, fault::data);
  auto const forward = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  forward("aligned_terms.holistic_difference", [](auto& p) { p.holistic_difference.size = 3; });
  forward("aligned_terms.sequential_logarithm", [](auto& p) { p.sequential_logarithm.size = 5; });
  auto const backward = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.gradient(), fault::shape, argument, change);
  };
  backward("aligned_terms_gradient.difference_weight",
           [](auto& p) { p.difference_weight.each.size = 3; });
  backward("aligned_terms_gradient.logarithm_weight",
           [](auto& p) { p.logarithm_weight.each.size = 3; });
  backward("aligned_terms_gradient.table_gradient", [](auto& p) { p.table_gradient.cols = 8; });
  backward("aligned_terms_gradient.log_gradient", [](auto& p) { p.log_gradient.data = nullptr; });
  CHECK(all.difference.untouched());
  CHECK(all.logarithm.untouched());
  CHECK(all.table_gradient.untouched());
  CHECK(all.log_gradient.untouched());
}

TEMPLATE_LIST_TEST_CASE("offsets that fall or do not fit their table are answered",
                        "[aligned_terms]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all(9);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  numbers const past_teacher{0, 4, 4, 6, 9}, falling{0, 4, 3, 6, 8}, from_one{1, 4, 4, 6, 8};
  numbers const past_student{0, 3, 5, 5, 11};
  refuses("aligned_terms.teacher_offset", [&](auto& p) { p.teacher_offset = view(past_teacher); });
  refuses("aligned_terms.teacher_offset", [&](auto& p) { p.teacher_offset = view(falling); });
  refuses("aligned_terms.teacher_offset", [&](auto& p) { p.teacher_offset = view(from_one); });
  refuses("aligned_terms.student_offset", [&](auto& p) { p.student_offset = view(past_student); });
  CHECK(all.difference.untouched());
}
