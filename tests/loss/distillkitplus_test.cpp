// The preset against its formulas in long double, and its spans against what the code derives.
#include "mlot/loss/distillkitplus.hpp"

#include "devices.hpp"
#include "loss/kept_problem.hpp"
#include "mlot/interop/describe.hpp"
#include "mlot/loss/answer_windows.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;
using mlot::fault;

template <class T, class S = T>
struct owned_distillkitplus : kept_memory<T, S> {
  mlot::distillkitplus<T, S, S, T> loss;
  owned_distillkitplus(oracle::kept_problem const& p, oracle::kept_result const& expected)
      : kept_memory<T, S>(p, expected) {
    this->lend_to(loss, p);
    loss.teacher_spans = this->teacher_rows.view();
    loss.student_spans = this->student_rows.view();
    loss.k = p.k;
    loss.temperature = T(p.student_temperature);
  }
  template <class Device>
  mlot::status run(Device device) {
    return this->compute(device, loss);
  }
};
oracle::kept_problem random_problem_of(std::uint64_t seed) {
  return random_kept_problem(seed, oracle::kept_rule::position);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("distillkitplus agrees with long double on random batches, part by part",
                        "[distillkitplus]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  constexpr bool exact = sizeof(T) == 8;
  double const tolerance = exact ? 1e-10 : 1e-5;
  int compared = 0;
  for (std::uint64_t seed = 1; compared < (kit::is_emulated<Device> ? 20 : 60); ++seed) {
    REQUIRE(seed < 200);
    auto const p = random_problem_of(seed);
    if (oracle::kept_loss(p).gap < (exact ? 1e-12L : 1e-5L))
      continue;  // the type may sort otherwise
    ++compared;
    for (int const part : {0, 1, 2, 3}) {
      auto const q = part == 0 ? p : only_part(p, part);
      INFO("seed " << seed << " part " << part);
      auto const expected = oracle::kept_loss(q);
      owned_distillkitplus<T> owned(q, expected);
      REQUIRE(mlot::describe(owned.run(Device())) == "ok");
      for (index_t c = 0; c < 5; ++c)
        CHECK(difference_of(owned.terms(c), expected.terms[std::size_t(c)]) <= tolerance);
      CHECK(gradient_share(owned.gradient, q, expected) <= 1);
      CHECK(differing_columns(owned.teacher_columns, expected.teacher_columns, q,
                              owned.teacher_rows) == 0);
      CHECK(differing_columns(owned.student_columns, expected.student_columns, q,
                              owned.student_rows) == 0);
      CHECK(owned.gradient.exactly_written());
      CHECK(owned.plan.exactly_written());
    }
  }
}

TEMPLATE_LIST_TEST_CASE("distillkitplus's gradient is what differences of its total find",
                        "[distillkitplus]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  if constexpr (sizeof(T) == 8) {
    int compared = 0;
    for (std::uint64_t seed = 301; seed <= (kit::is_emulated<Device> ? 303 : 352); ++seed) {
      auto p = random_problem_of(seed);
      p.upstream = 1, p.logarithm = 50, p.transport = 500;  // as heavy as HAD
      owned_distillkitplus<T> owned(p, oracle::kept_loss(p));
      REQUIRE(mlot::describe(owned.run(Device())) == "ok");
      double largest = 0;
      kit::fill(owned.gradient, [&](index_t i, index_t j) {
        largest = std::max(largest, std::fabs(double(owned.gradient(i, j))));
        return owned.gradient(i, j);
      });
      kit::framed<T> analytic(owned.gradient.rows(), owned.gradient.cols());
      kit::fill(analytic, [&](index_t i, index_t j) { return owned.gradient(i, j); });
      random_source random(seed);
      for (int entry = 0; entry < 6; ++entry) {
        index_t const r = random.below(owned.student.rows());
        index_t const v = random.below(owned.student.cols());
        T& z = owned.student(r, v);
        T const here = z, step = T(1e-6);
        if (here == -mlot::infinity<T>) continue;
        auto const total_at = [&](T x) {
          z = x;
          REQUIRE(mlot::describe(owned.run(Device())) == "ok");
          return owned.terms(4);
        };
        T const above = total_at(here + step), below = total_at(here - step);
        z = here;
        INFO("seed " << seed << " row " << r << " id " << v);
        double const rounding = 1e-15 * std::max(1.0, double(std::fabs(above))) / double(step);
        CHECK(std::fabs((above - below) / (2 * step) - analytic(r, v)) <=
              1e-6 * largest + rounding);
        ++compared;
      }
    }
    CHECK(compared > (kit::is_emulated<Device> ? 10 : 200));
  }
}

TEMPLATE_LIST_TEST_CASE("distillkitplus takes logits of two bytes", "[distillkitplus]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  if constexpr (sizeof(S) == 2)
    for (std::uint64_t seed = 401; seed <= 410; ++seed) {
      auto p = random_problem_of(seed);
      p.upstream = 1;
      for (auto* const z : {&p.teacher, &p.student})
        for (double& x : z->values) x = double(mlot::load_as<float>(mlot::store_as<S>(float(x))));
      INFO("seed " << seed);
      auto const expected = oracle::kept_loss(p);
      owned_distillkitplus<T, S> owned(p, expected);
      REQUIRE(owned.run(typename TestType::device()).ok());
      for (index_t c = 0; c < 5; ++c)
        CHECK(difference_of(owned.terms(c), expected.terms[std::size_t(c)]) <= 1e-5);
      CHECK(gradient_share(owned.gradient, p, expected) <= 1);
    }
}

TEMPLATE_LIST_TEST_CASE("distillkitplus: equal models differ in nothing", "[distillkitplus]",
                        every_device) {
  using T = typename TestType::scalar;
  auto p = random_problem_of(7);
  p.student = p.teacher, p.student_rows = p.teacher_rows;
  owned_distillkitplus<T> owned(p, oracle::kept_loss(p));
  REQUIRE(owned.run(typename TestType::device()).ok());
  CHECK(owned.terms(1) == 0);
  p.teacher.cols = 0, p.teacher.values.clear();  // a vocabulary without ids
  for (auto& of : p.teacher_rows) std::fill(of.begin(), of.end(), -1);
  auto const expected = oracle::kept_loss(p);
  owned_distillkitplus<T> alone(p, expected);
  REQUIRE(alone.run(typename TestType::device()).ok());
  CHECK(difference_of(alone.terms(4), expected.terms[4]) <= 1e-5);
}

TEMPLATE_LIST_TEST_CASE("distillkitplus: no sequences, and none with a pair, cost nothing",
                        "[distillkitplus]", every_device) {
  using T = typename TestType::scalar;
  for (bool const none : {true, false}) {
    oracle::kept_problem p = random_problem_of(9);
    for (auto* const rows : {&p.teacher_rows, &p.student_rows}) rows->assign(none ? 0 : 2, {});
    p.pairs.assign(none ? 0 : 2, 0);
    owned_distillkitplus<T> owned(p, oracle::kept_loss(p));
    REQUIRE(owned.run(typename TestType::device()).ok());
    for (index_t c = 0; c < 5; ++c) CHECK(owned.terms(c) == 0);
    CHECK(difference_of(owned.gradient, oracle::kept_loss(p).gradient) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("distillkitplus: wrong arguments are named and nothing is written",
                        "[distillkitplus]", every_device) {
  using T = typename TestType::scalar;
  auto const p = random_problem_of(2);
  auto const expected = oracle::kept_loss(p);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    owned_distillkitplus<T> owned(p, expected);
    change(owned);
    mlot::status const s = owned.run(typename TestType::device());
    INFO(argument);
    CHECK(int(s.code) == int(code));
    CHECK(s.argument == std::string(argument));
    CHECK(owned.outputs_untouched());
  };
  refuses(fault::value, "distillkitplus.k", [](auto& o) { o.loss.k = 0; });
  refuses(fault::value, "distillkitplus.temperature", [](auto& o) { o.loss.temperature = 0; });
  refuses(fault::value, "distillkitplus.weight",
          [](auto& o) { o.loss.weight = mlot::infinity<T>; });
  refuses(fault::value, "distillkitplus.logarithm_weight",
          [](auto& o) { o.loss.logarithm_weight = mlot::infinity<T>; });
  refuses(fault::value, "distillkitplus.transport_weight",
          [](auto& o) { o.loss.transport_weight = mlot::infinity<T>; });
  refuses(fault::shape, "distillkitplus.terms", [](auto& o) { o.loss.terms.size = 4; });
  refuses(fault::shape, "distillkitplus.gradient", [](auto& o) { o.loss.gradient.cols -= 1; });
  refuses(fault::shape, "distillkitplus.plan", [](auto& o) { o.loss.plan.rows -= 1; });
  refuses(fault::shape, "distillkitplus.student_columns",
          [](auto& o) { o.loss.student_columns.rows -= 1; });
  refuses(fault::shape, "distillkitplus.teacher_spans", [](auto& o) { o.loss.teacher_spans = {}; });
  refuses(fault::shape, "distillkitplus.student_logits",
          [](auto& o) { o.loss.student_logits.data = nullptr; });
  if constexpr (!kit::is_emulated<typename TestType::device>)
    refuses(fault::data, "distillkitplus.student_logits", [](auto& o) {
      for (index_t const r : {0, 1, 2}) o.student(r, 0) = std::numeric_limits<T>::quiet_NaN();
    });
}

TEST_CASE("spans begin at the first label that counts and run on", "[distillkitplus]") {
  std::vector<index_t> const student = {-100, -100, 1,    2,    -100, 3,    -100,  // with a hole
                                        -100, -100, -100, -100, -100, 4,    5,
                                        -100, -100, -100, -100, -100, -100, -100};
  std::vector<index_t> const teacher = {1, 2, 3, 4, -100, 1, -100, -100, -100, -100, 1, 1};
  mlot::host::matrix<index_t const> const s{student.data(), 3, 7, 7}, t{teacher.data(), 3, 4, 4};
  index_t const length = mlot::longest_span(t, s, -100);
  REQUIRE(length == 3);
  std::vector<index_t> offset(4), row(9);
  mlot::token_rows<> spans;
  auto const rows_of = [&](mlot::host::matrix<index_t const> labels) {
    REQUIRE(
        mlot::rows_from_spans(labels, -100, length, {{offset.data(), 4}, {row.data(), 9}}, spans)
            .ok());
    CHECK(spans.longest == 3);
    return row;
  };
  CHECK(rows_of(s) == std::vector<index_t>{2, 3, 4, 12, 13, -1, 14, 15, 16});
  CHECK(rows_of(t) == std::vector<index_t>{0, 1, 2, 5, 6, 7, 10, 11, -1});
  CHECK(mlot::rows_from_spans(s, -100, -1, {{offset.data(), 4}, {row.data(), 9}}, spans).argument ==
        std::string("rows_from_spans.length"));
  CHECK(mlot::rows_from_spans(s, -100, 3, {{offset.data(), 4}, {row.data(), 8}}, spans).argument ==
        std::string("token_rows_storage.row"));
}
