// SinKD against the long double oracle of MultiLevelOT, which computes it when every id is a
// column and no tokens are aligned.
#include "mlot/loss/sinkd.hpp"

#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;

oracle::loss_problem over_all_ids(oracle::loss_problem p, double weight) {
  p.temperature = p.teacher_temperature = p.transport_temperature;
  p.alpha = 1, p.beta = 0, p.gamma = weight, p.divisor = 1;
  p.own_transport_ranking = p.token_level = false;
  std::size_t const sequences = p.student_rows.size();
  p.pairs.emplace(sequences);
  p.k = long(std::max(p.teacher.cols, p.student.cols));
  auto const ids = [&](std::size_t vocabulary) {
    std::vector<long> all(std::size_t(p.k), -1);
    std::iota(all.begin(), all.begin() + long(vocabulary), 0L);
    return oracle::columns(sequences, all);
  };
  p.teacher_columns = ids(p.teacher.cols), p.student_columns = ids(p.student.cols);
  return p;
}

/// The same for sinkd, with the memory of an owned loss.
template <class T, class S = T, class G = S>
struct owned_sinkd {
  owned_loss<T, S, S, G> of;
  mlot::sinkd<T, S, S, G> loss;
  explicit owned_sinkd(oracle::loss_problem const& p)
      : of(p),
        loss{.teacher_logits = of.loss.teacher_logits,
             .teacher_samples = of.loss.teacher_tokens,
             .student_logits = of.loss.student_logits,
             .student_samples = of.loss.student_tokens,
             .labels = of.loss.labels,
             .temperature = T(p.transport_temperature),
             .epsilon = T(p.epsilon),
             .iterations = p.iterations,
             .weight = T(p.gamma),
             .upstream = T(p.upstream),
             .derivative = of.loss.options.derivative,
             .terms = of.terms.vector(),
             .gradient = of.gradient.matrix(),
             .plan = of.plan.matrix()} {}
  template <class Device>
  mlot::status run(Device device) {
    of.scratch.assign(mlot::workspace_size(device, loss), std::byte{0xff});
    return kit::in_the_end<Device>(
        mlot::compute(device, loss, {of.scratch.data(), of.scratch.size()}));
  }
};
/// The gradient's error relative to its norm and to its summands, which cancel where samples have
/// no id in common.
double gradient_error(auto& gradient, oracle::loss_problem const& p,
                      oracle::loss_result const& expected) {
  long double off = 0, norm = 0;
  for (index_t r = 0; r < gradient.rows(); ++r)
    for (index_t v = 0; v < gradient.cols(); ++v) {
      long double const should = expected.gradient[std::size_t(r)][std::size_t(v)];
      off += (gradient(r, v) - should) * (gradient(r, v) - should);
      norm += should * should;
    }
  double samples = 0;
  for (auto const& batch : p.student_rows) samples += double(batch.size());
  double const summands =
      std::fabs(p.upstream) * p.gamma / p.transport_temperature * std::sqrt(samples);
  return off == 0 ? 0 : double(std::sqrt(off)) / (double(std::sqrt(norm)) + summands);
}
template <class T>
void check(auto& owned, oracle::loss_problem const& p) {
  auto const expected = oracle::multi_level(p);
  double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
  auto& terms = owned.of.terms;
  CHECK(difference_of(terms(0), expected.terms[0]) <= tolerance);
  CHECK(terms(1) == 0);
  CHECK(terms(2) == 0);
  CHECK(difference_of(terms(3), expected.terms[3]) <= tolerance);
  CHECK(difference_of(terms(4), expected.terms[4]) <= tolerance);
  CHECK(gradient_error(owned.of.gradient, p, expected) <= tolerance / 10);
  CHECK(owned.of.gradient.exactly_written());
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("sinkd agrees with long double on random batches", "[sinkd]",
                        every_device) {
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    auto const p = over_all_ids(random_problem(seed), 0.5 + double(seed % 4));
    owned_sinkd<T> owned(p);
    REQUIRE(owned.run(typename TestType::device()).ok());
    check<T>(owned, p);
  }
}

TEMPLATE_LIST_TEST_CASE("sinkd's gradient is what differences of its total find", "[sinkd]",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  if constexpr (std::is_same_v<T, double> && !kit::is_emulated<device>) {
    auto p = over_all_ids(batch_of(3, {4, 2}, {3, 2}, 9, 9), 2);
    p.epsilon = 0.3;
    owned_sinkd<T> analytic(p);
    REQUIRE(analytic.run(device()).ok());
    auto const total_at = [&](index_t r, index_t v, double step) {
      auto moved = p;
      moved.student(std::size_t(r), std::size_t(v)) += step;
      owned_sinkd<T> owned(moved);
      owned.loss.gradient = {};
      REQUIRE(owned.run(device()).ok());
      return owned.of.terms(mlot::multi_level_term::total);
    };
    constexpr double h = 1e-6;
    kit::norm_error error;
    for (auto const& batch : p.student_rows)
      for (long const r : batch)
        for (index_t v = 0; v < 9; ++v)
          error.add(analytic.of.gradient(r, v), (total_at(r, v, h) - total_at(r, v, -h)) / (2 * h));
    CHECK(error.value() <= 1e-7);
  }
}

TEMPLATE_LIST_TEST_CASE("sinkd takes logits of two bytes", "[sinkd]", every_device) {
  using T = typename TestType::scalar;
  if constexpr (std::is_same_v<T, float>)
    for (std::uint64_t seed = 101; seed <= 110; ++seed) {
      auto p = over_all_ids(stored_as<mlot::bfloat16, mlot::bfloat16>(random_problem(seed)), 2);
      p.upstream = 1;
      owned_sinkd<float, mlot::bfloat16, float> owned(p);
      REQUIRE(owned.run(typename TestType::device()).ok());
      check<float>(owned, p);
    }
}

TEMPLATE_LIST_TEST_CASE(
    "a batch moved to itself costs less than to another, and nothing when sharp", "[sinkd]",
    every_device) {
  using T = typename TestType::scalar;
  auto p = over_all_ids(batch_of(5, {6}, {6}, 30, 30), 1);
  p.epsilon = 0.02, p.iterations = 100;
  p.labels.clear();
  auto const distance = [&] {
    owned_sinkd<T> owned(p);
    REQUIRE(owned.run(typename TestType::device()).ok());
    return double(owned.of.terms(3));
  };
  double const to_another = distance();
  p.student = p.teacher;
  CHECK(distance() < 1e-3);
  CHECK(to_another > 1);
}

TEMPLATE_LIST_TEST_CASE("sinkd: wrong arguments are named and nothing is written", "[sinkd]",
                        every_device) {
  using T = typename TestType::scalar;
  using mlot::fault;
  auto const p = over_all_ids(some_batch(), 1);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    owned_sinkd<T> owned(p);
    change(owned.loss);
    mlot::status const s = kit::in_the_end<typename TestType::device>(
        mlot::compute(typename TestType::device(), owned.loss, {}));
    CHECK(s.code == code);
    CHECK(s.argument == std::string(argument));
    CHECK(
        (owned.of.terms.untouched() && owned.of.gradient.untouched() && owned.of.plan.untouched()));
  };
  refuses(fault::value, "sinkd.temperature", [](auto& l) { l.temperature = 0; });
  refuses(fault::value, "sinkd.epsilon", [](auto& l) { l.epsilon = -1; });
  refuses(fault::value, "sinkd.iterations", [](auto& l) { l.iterations = 0; });
  refuses(fault::value, "sinkd.weight", [](auto& l) { l.weight = mlot::infinity<T>; });
  refuses(fault::shape, "sinkd.terms", [](auto& l) { l.terms.size = 4; });
  refuses(fault::shape, "sinkd.gradient", [](auto& l) { l.gradient.cols -= 1; });
  refuses(fault::shape, "sinkd.plan", [](auto& l) { l.plan.rows -= 1; });
  refuses(fault::shape, "sinkd.teacher_logits", [](auto& l) { l.teacher_logits.data = nullptr; });
  refuses(fault::shape, "sinkd.teacher_samples", [](auto& l) { l.teacher_samples = {}; });
}
