// The loss whose transport costs do not fit the memory that it is given.
#include <numeric>

#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;
}  // namespace

TEMPLATE_LIST_TEST_CASE("without cost matrices the loss is the oracle's", "", every_device) {
  using T = typename TestType::scalar;
  double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    INFO("seed " << seed);
    auto const p = random_problem(seed);
    auto const expected = oracle::multi_level(p);
    owned_loss<T> owned(p);
    if (expected.rank_gap < (sizeof(T) == 4 ? 1e-5L : 1e-12L)) owned.give_columns(expected);
    owned.loss.plan = {};
    owned.loss.options.cost_memory = 0;
    REQUIRE(owned.run(typename TestType::device()).ok());
    CHECK(difference_of(owned.terms(3), expected.terms[3]) <= tolerance);
    CHECK(difference_of(owned.gradient, expected.gradient) <= tolerance);
    CHECK(owned.gradient.exactly_written());
  }
}

TEMPLATE_LIST_TEST_CASE("a constant plan is streamed too, and saves the history", "",
                        every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  auto const p = random_problem(3);
  owned_loss<T> dense(p), streamed(p);
  for (auto* each : {&dense, &streamed}) {
    each->loss.plan = {};
    each->loss.options.derivative = mlot::sinkhorn_derivative::plan_constant;
  }
  streamed.loss.options.cost_memory = 0;
  REQUIRE(dense.run(device).ok());
  REQUIRE(streamed.run(device).ok());
  std::vector<std::vector<double>> rows;
  for (index_t i = 0; i < dense.gradient.rows(); ++i) {
    rows.emplace_back();
    for (index_t v = 0; v < dense.gradient.cols(); ++v)
      rows.back().push_back(double(dense.gradient(i, v)));
  }
  CHECK(difference_of(streamed.gradient, rows) <= (sizeof(T) == 4 ? 1e-5 : 1e-10));
  auto const with_plan_constant = mlot::workspace_size(device, streamed.loss);
  streamed.loss.options.derivative = mlot::sinkhorn_derivative::unrolled;
  CHECK(with_plan_constant < mlot::workspace_size(device, streamed.loss));
}

TEMPLATE_LIST_TEST_CASE("costs are streamed exactly where matrices exceed the memory", "",
                        every_device) {
  using T = typename TestType::scalar;
  typename TestType::device const device;
  index_t const tokens = 3000, vocabulary = 60;
  std::vector<index_t> offset{0, tokens}, rows(3000);
  std::iota(rows.begin(), rows.end(), index_t(0));
  std::vector<T> logits(3000 * 60), terms(5);
  mlot::multi_level<T> loss{.teacher_logits = {logits.data(), tokens, vocabulary, vocabulary},
                            .teacher_tokens = {{offset.data(), 2}, {rows.data(), tokens}, tokens},
                            .student_logits = {logits.data(), tokens, vocabulary, vocabulary},
                            .student_tokens = {{offset.data(), 2}, {rows.data(), tokens}, tokens},
                            .terms = {terms.data(), 5}};
  index_t const matrices = 2 * tokens * tokens * index_t(sizeof(T));
  auto const bytes = [&](index_t memory) {
    loss.options.cost_memory = memory;
    return index_t(mlot::workspace_size(device, loss));
  };
  index_t const with = bytes(matrices), without = bytes(matrices - 1);
  CHECK(with >= matrices);
  CHECK(without < matrices / 8);
  CHECK(bytes(index_t(1) << 31) == with);
  loss.options.cost_memory = -1;
  CHECK(std::string(mlot::compute(device, loss).argument) == "multi_level.options.cost_memory");
}
