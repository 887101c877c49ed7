// The loss against long double: tests/oracle/loss_oracle.hpp.
#include "mlot/loss/multi_level.hpp"

#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;

/// Columns that T may rank otherwise, because two masses are closer than its rounding, are given.
template <class T>
void settle_ranking(auto& owned, oracle::loss_result const& expected) {
  if (expected.rank_gap < (sizeof(T) == 4 ? 1e-5L : 1e-12L)) owned.give_columns(expected);
}

/// Checks terms, columns, plan; gradient elsewhere, as its storage differs.
template <class T>
void check_values(auto& owned, oracle::loss_problem const& p, oracle::loss_result const& expected) {
  double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
  for (index_t c = 0; c < 4; ++c)
    CHECK(difference_of(owned.terms(c), expected.terms[std::size_t(c)]) <= tolerance);
  // Weights may be negative: the total is as exact as its largest part.
  long double parts = 0;
  double const weight[] = {1, p.alpha * p.holistic, p.alpha * p.beta, p.alpha * p.gamma};
  for (std::size_t c = 0; c < 4; ++c) parts += std::fabs(weight[c] * expected.terms[c]);
  CHECK(std::fabs(owned.terms(4) - expected.terms[4]) <= tolerance * parts);
  CHECK(difference_of(owned.sequence_terms, expected.sequence_terms) <= tolerance);
  CHECK(difference_of(owned.teacher_columns, expected.teacher_columns) == 0);
  CHECK(difference_of(owned.student_columns, expected.student_columns) == 0);
  if (p.own_transport_ranking) {
    CHECK(difference_of(owned.teacher_transport_columns, expected.teacher_transport_columns) == 0);
    CHECK(difference_of(owned.student_transport_columns, expected.student_transport_columns) == 0);
  } else if (owned.loss.options.matching == mlot::column_matching::rank) {
    CHECK(owned.teacher_transport_columns.untouched());
  }
  index_t row = 0;
  kit::norm_error plan;
  for (auto const& of_sequence : expected.plan)
    for (auto const& line : of_sequence) {
      for (std::size_t j = 0; j < line.size(); ++j) plan.add(owned.plan(row, index_t(j)), line[j]);
      ++row;
    }
  CHECK(plan.value() <= tolerance);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("random batches and options agree with long double", "", every_device) {
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    INFO("seed " << seed);
    auto const p = random_problem(seed);
    auto const expected = oracle::multi_level(p);
    owned_loss<T> owned(p);
    settle_ranking<T>(owned, expected);
    REQUIRE(owned.run(typename TestType::device()).ok());
    check_values<T>(owned, p, expected);
    CHECK(difference_of(owned.gradient, expected.gradient) <= (sizeof(T) == 4 ? 1e-5 : 1e-10));
    CHECK(owned.gradient.exactly_written());
    CHECK(owned.terms.exactly_written());
    CHECK(owned.sequence_terms.exactly_written());
    CHECK(owned.plan.frame_untouched());
  }
}

TEMPLATE_LIST_TEST_CASE("logits and gradients of two bytes agree with long double", "",
                        every_device) {
  using device = typename TestType::device;
  auto const compare = []<class Teacher, class Student, class Gradient>(Teacher, Student,
                                                                        Gradient) {
    for (std::uint64_t seed = 101; seed <= 115; ++seed) {
      INFO("seed " << seed);
      auto p = stored_as<Teacher, Student>(random_problem(seed));
      p.upstream = 1;  // keeps a gradient of half within its range
      auto const expected = oracle::multi_level(p);
      owned_loss<float, Teacher, Student, Gradient> owned(p);
      settle_ranking<float>(owned, expected);
      REQUIRE(owned.run(device()).ok());
      check_values<float>(owned, p, expected);
      // Up to three sparse entries fall on one place, and each is rounded where it is added.
      double const eps = std::is_same_v<Gradient, mlot::half>       ? 0x1p-11
                         : std::is_same_v<Gradient, mlot::bfloat16> ? 0x1p-8
                                                                    : 1e-5;
      CHECK(difference_of(owned.gradient, expected.gradient) <= 3 * eps);
      CHECK(owned.gradient.exactly_written());
    }
  };
  if constexpr (std::is_same_v<typename TestType::scalar, float>) {
    compare(mlot::half(), mlot::half(), mlot::half());
    compare(mlot::bfloat16(), mlot::bfloat16(), mlot::bfloat16());
    compare(mlot::bfloat16(), mlot::half(), float());
    compare(float(), mlot::bfloat16(), float());
    compare(mlot::half(), float(), mlot::bfloat16());
  } else {  // double computes on what is stored shorter, too
    auto const p = random_problem(120);
    auto const expected = oracle::multi_level(p);
    owned_loss<double, float, float, double> owned(p);
    REQUIRE(owned.run(device()).ok());
    check_values<double>(owned, p, expected);
    CHECK(difference_of(owned.gradient, expected.gradient) <= 1e-10);
  }
}

TEMPLATE_LIST_TEST_CASE("given columns are used as they are, holes included", "", every_device) {
  using T = typename TestType::scalar;
  random_source random(7);
  for (bool const own : {false, true}) {
    auto p = some_batch();
    p.own_transport_ranking = own;
    auto const some_columns = [&](index_t vocabulary) {
      oracle::columns ids(3);
      for (auto& of : ids) {
        for (long v = 0; v < vocabulary; ++v) of.push_back(v);
        for (std::size_t i = of.size() - 1; i > 0; --i)
          std::swap(of[i], of[std::size_t(random.below(index_t(i) + 1))]);
        of.resize(std::size_t(p.k));
        of[3] = -1;
      }
      return ids;
    };
    p.teacher_columns = some_columns(23), p.student_columns = some_columns(19);
    p.teacher_transport_columns = some_columns(23), p.student_transport_columns = some_columns(19);
    auto const expected = oracle::multi_level(p);
    owned_loss<T> owned(p);
    REQUIRE(owned.run(typename TestType::device()).ok());
    check_values<T>(owned, p, expected);
    CHECK(difference_of(owned.gradient, expected.gradient) <= (sizeof(T) == 4 ? 1e-5 : 1e-10));
  }
}

TEMPLATE_LIST_TEST_CASE("what is not asked for is not computed, and changes nothing else", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto const p = some_batch();
  owned_loss<T> all(p), only_terms(p), no_outputs_beside(p);
  REQUIRE(all.run(typename TestType::device()).ok());
  only_terms.loss.gradient = {};
  only_terms.loss.plan = {};
  only_terms.loss.sequence_terms = {};
  only_terms.loss.teacher_columns = only_terms.loss.student_columns = {};
  REQUIRE(only_terms.run(typename TestType::device()).ok());
  CHECK(only_terms.terms.same_bits(all.terms));
  CHECK(only_terms.gradient.untouched());
  CHECK(only_terms.plan.untouched());
  no_outputs_beside.loss.plan = {};
  REQUIRE(no_outputs_beside.run(typename TestType::device()).ok());
  CHECK(no_outputs_beside.gradient.same_bits(all.gradient));
  CHECK(only_terms.scratch.size() < no_outputs_beside.scratch.size());
}

TEMPLATE_LIST_TEST_CASE("mean_per_token divides by the student's tokens", "", every_device) {
  using T = typename TestType::scalar;
  auto p = some_batch();
  p.divisor = 8;  // 5 + 0 + 3
  owned_loss<T> divided(p), mean(p);
  mean.loss.options.reduce = mlot::reduction::mean_per_token;
  REQUIRE(divided.run(typename TestType::device()).ok());
  REQUIRE(mean.run(typename TestType::device()).ok());
  CHECK(mean.same_bits(divided));
}
