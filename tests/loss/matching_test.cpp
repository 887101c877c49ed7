// The loss under the matchings greedy and exact: what they choose, and what follows from it.
#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;
using oracle::column_rule;
constexpr column_rule both_rules[] = {column_rule::greedy, column_rule::exact};

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;

oracle::columns columns_of(kit::framed<index_t>& ids) {
  oracle::columns out;
  for (index_t b = 0; b < ids.rows(); ++b) {
    out.emplace_back();
    for (index_t l = 0; l < ids.cols(); ++l) out.back().push_back(long(ids(b, l)));
  }
  return out;
}
/// Checks the choice against `expected`, and all that follows against the oracle on these columns:
/// an exact matching need not be the only one.
template <class T, class Owned>
void check(Owned& owned, oracle::loss_problem p, double gradient_tolerance = tolerance<T>) {
  auto const expected = oracle::multi_level(p);
  CHECK(owned.teacher_columns.exactly_written());
  CHECK(owned.student_columns.exactly_written());
  bool const told_apart = expected.rank_gap >= (sizeof(T) == 4 ? 2e-5L : 1e-12L);
  if (told_apart) CHECK(difference_of(owned.teacher_columns, expected.teacher_columns) == 0);
  if (told_apart && p.rule == column_rule::greedy) {
    CHECK(difference_of(owned.student_columns, expected.student_columns) == 0);
    if (p.own_transport_ranking)
      CHECK(difference_of(owned.student_transport_columns, expected.student_transport_columns) ==
            0);
  }
  // HAD is the objective: the least there is, or that of these greedy steps.
  for (std::size_t b = 0; b < expected.sequence_terms.size() && told_apart; ++b) {
    long double const least = expected.sequence_terms[b][1];
    double const slack = tolerance<T> * double(least + 1);
    CHECK(std::fabs(owned.sequence_terms(index_t(b), 1) - least) <= slack);
  }

  p.teacher_columns = columns_of(owned.teacher_columns);
  p.student_columns = columns_of(owned.student_columns);
  if (p.own_transport_ranking) {
    p.teacher_transport_columns = columns_of(owned.teacher_transport_columns);
    p.student_transport_columns = columns_of(owned.student_transport_columns);
  }
  auto const follows = oracle::multi_level(p);
  for (index_t c = 0; c < 4; ++c)
    CHECK(difference_of(owned.terms(c), follows.terms[std::size_t(c)]) <= tolerance<T>);
  CHECK(difference_of(owned.sequence_terms, follows.sequence_terms) <= tolerance<T>);
  CHECK(difference_of(owned.gradient, follows.gradient) <= gradient_tolerance);
  CHECK(owned.gradient.exactly_written());
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("matched: random batches and options agree with long double", "",
                        every_device) {
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    for (column_rule const rule : both_rules) {
      INFO("seed " << seed << (rule == column_rule::exact ? " exact" : " greedy"));
      auto p = random_problem(seed);
      p.rule = rule;
      owned_loss<T> owned(p);
      REQUIRE(owned.run(typename TestType::device()).ok());
      check<T>(owned, p);
    }
}

TEMPLATE_LIST_TEST_CASE("matched: logits of two bytes agree with long double", "", every_device) {
  if constexpr (std::is_same_v<typename TestType::scalar, float>) {
    auto const compare = []<class S>(S) {
      for (std::uint64_t seed = 101; seed <= 110; ++seed)
        for (column_rule const rule : both_rules) {
          INFO("seed " << seed << (rule == column_rule::exact ? " exact" : " greedy"));
          auto p = stored_as<S, S>(random_problem(seed));
          p.rule = rule;
          p.upstream = 1;
          owned_loss<float, S, S> owned(p);
          REQUIRE(owned.run(typename TestType::device()).ok());
          check<float>(owned, p, std::is_same_v<S, mlot::half> ? 3 * 0x1p-11 : 3 * 0x1p-8);
        }
    };
    compare(mlot::half());
    compare(mlot::bfloat16());
  }
}

TEMPLATE_LIST_TEST_CASE("matched: exact differs least, then greedy, then rank", "", every_device) {
  using T = typename TestType::scalar;
  double sum[3] = {};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto p = batch_of(seed, {16}, {16}, 60, 50);
    p.k = 20;
    double of[3];
    for (int n = 0; n < 3; ++n) {
      p.rule = column_rule(n);
      owned_loss<T> owned(p);
      REQUIRE(owned.run(typename TestType::device()).ok());
      sum[n] += of[n] = double(owned.terms(mlot::multi_level_term::absolute_difference));
    }
    CHECK(of[2] <= of[0] * (1 + tolerance<T>));
    CHECK(of[2] <= of[1] * (1 + tolerance<T>));
  }
  CHECK(sum[1] < 0.95 * sum[0]);
  CHECK(sum[2] < sum[1]);
}

TEMPLATE_LIST_TEST_CASE("matched: what the caller gives no memory for changes nothing", "",
                        every_device) {
  using T = typename TestType::scalar;
  for (column_rule const rule : both_rules)
    for (bool const own : {false, true}) {
      auto p = some_batch();
      p.rule = rule;
      p.own_transport_ranking = own;
      owned_loss<T> all(p), less(p);
      REQUIRE(all.run(typename TestType::device()).ok());
      less.loss.teacher_columns = less.loss.student_columns = {};
      less.loss.teacher_transport_columns = less.loss.student_transport_columns = {};
      REQUIRE(less.run(typename TestType::device()).ok());
      CHECK(less.terms.same_bits(all.terms));
      CHECK(less.gradient.same_bits(all.gradient));
      CHECK(less.student_columns.untouched());
      CHECK(all.student_transport_columns.untouched() == !own);

      owned_loss<T> again(p);  // on the columns that it chose
      again.give_columns(columns_of(all.teacher_columns), columns_of(all.student_columns),
                         columns_of(own ? all.teacher_transport_columns : all.teacher_columns),
                         columns_of(own ? all.student_transport_columns : all.student_columns));
      REQUIRE(again.run(typename TestType::device()).ok());
      CHECK(again.terms.same_bits(all.terms));
      CHECK(again.gradient.same_bits(all.gradient));
    }
}

TEMPLATE_LIST_TEST_CASE("matched: tables are as wide as the teacher's vocabulary allows", "",
                        every_device) {
  using T = typename TestType::scalar;
  for (column_rule const rule : both_rules)
    for (auto const& [m, n] : {std::pair<index_t, index_t>{5, 30}, {30, 5}, {1, 1}, {8, 8}}) {
      auto p = batch_of(4, {6, 1, 0}, {4, 3, 2}, m, n);
      p.rule = rule;
      p.k = 20;
      owned_loss<T> owned(p);
      CHECK(owned.loss.width() == std::min<index_t>(20, m));
      REQUIRE(owned.run(typename TestType::device()).ok());
      check<T>(owned, p);
      index_t left = 0;
      for (index_t l = 0; l < owned.loss.width(); ++l) left += owned.student_columns(0, l) < 0;
      CHECK(left == std::max<index_t>(0, owned.loss.width() - n));
    }
}

TEMPLATE_LIST_TEST_CASE("matched: logits that are no numbers are answered and nothing is written",
                        "", every_device) {
  using T = typename TestType::scalar;
  for (column_rule const rule : both_rules) {
    auto p = some_batch();
    p.rule = rule;
    owned_loss<T> owned(p);
    owned.student(5, 8) = std::numeric_limits<T>::quiet_NaN();
    mlot::status const s = owned.run(typename TestType::device());
    CHECK(s.code == mlot::fault::data);
    CHECK(s.row == 5);
    CHECK(s.column == 8);
    if (kit::is_emulated<typename TestType::device>) continue;
    CHECK(s.argument == std::string("multi_level.student_logits"));
    CHECK(owned.outputs_untouched());
  }
}
