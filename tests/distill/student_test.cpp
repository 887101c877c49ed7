#include "distill/student.hpp"

#include "distill/adam.hpp"
#include "distill/cross_entropy.hpp"
#include "distill/gradient_check.hpp"
#include "random.hpp"
#include "test.hpp"

using namespace distill;

namespace {
constexpr student_shape small = {.vocabulary = 23, .width = 5, .window = 3, .hidden = 7};

ragged_tokens three_sequences() {
  ragged_tokens out;
  random_source random(3);
  for (int const length : {5, 1, 8}) {
    std::vector<token> sequence;
    for (int t = 0; t < length; ++t) sequence.push_back(token(random.below(small.vocabulary)));
    out.append(sequence);
  }
  return out;
}
}  // namespace

TEST_CASE("the student's gradient is that of central differences, every parameter of it") {
  auto const tokens = three_sequences();
  student<double> model(small, 0, 11);
  matrix<double> logits, gradient, ignored;
  auto const loss = [&](matrix<double>& out) {
    model.forward(tokens, logits);
    return cross_entropy(logits, tokens.tokens, out);
  };
  loss(gradient);
  model.backward(gradient);
  std::vector<double> const analytic(model.learned().gradients().begin(),
                                     model.learned().gradients().end());
  for (std::size_t i = 0; i < analytic.size(); ++i) {
    CAPTURE(i);
    double& parameter = model.learned().values()[i];
    double const kept = parameter, step = 1e-5;
    parameter = kept + step;
    double const above = loss(ignored);
    parameter = kept - step;
    double const below = loss(ignored);
    parameter = kept;
    REQUIRE(analytic[i] == Approx((above - below) / (2 * step)).margin(1e-9));
  }
}

TEST_CASE("the gradient through the student and mlot's loss is that of central differences") {
  for (auto const device : {loss_device::scalar, loss_device::simd}) {
    if (!available(device)) continue;
    for (double const alpha : {0., 0.15, 3.}) {
      CAPTURE(alpha);
      loss_options const options = {
          .alpha = alpha, .k = 20, .beta = 0.5, .gamma = 2, .device = device};
      CHECK(check_gradient(options, 60, 5).largest_error < 1e-6);
    }
  }
}

TEST_CASE("so it is through every other loss, on both devices") {
  for (auto const device : {loss_device::scalar, loss_device::simd}) {
    if (!available(device)) continue;
    for (loss_facts const& facts : all_losses()) {
      CAPTURE(facts.name);
      loss_options options = options_of(facts.kind);
      options.device = device;
      if (!options.is_smooth()) continue;
      CHECK(check_gradient(options, 30, 5).largest_error < 1e-6);
    }
  }
}

TEST_CASE("and through each term alone, each level and each matching") {
  loss_options const all = {.alpha = 1, .beta = 0.5, .gamma = 2};
  std::vector<loss_options> cases(6, all);
  cases[0].beta = cases[0].gamma = 0;
  cases[1].holistic = cases[1].gamma = 0;
  cases[2].holistic = cases[2].beta = 0;
  cases[3].level = transport::tokens;
  cases[4].match = matching::greedy;
  cases[5] = cases[0];
  cases[5].match = matching::exact;
  for (loss_options& options : cases) {
    if (available(loss_device::simd)) options.device = loss_device::simd;
    options.k = 20;
    REQUIRE(options.is_smooth());
    CHECK(check_gradient(options, 30, 5).largest_error < 1e-6);
  }
}

TEST_CASE("the total is cross-entropy and the weighted terms, whatever the loss") {
  batch b, same_text;
  b.append({{1, 2, 3}, {4, 5, 6, 7}, 12});
  b.append({{3}, {2, 2}, 3});
  same_text.append({{4, 5, 6, 7}, {4, 5, 6, 7}, 12});
  same_text.append({{2, 2}, {2, 2}, 3});
  random_source random(7);
  matrix<double> logits(6, 9), gradient;
  matrix<float> teacher(4, 9), teacher_of_same_text(6, 9);
  for (double& z : logits.reshaped()) z = random.normal();
  for (float& z : teacher.reshaped()) z = float(random.normal());
  for (float& z : teacher_of_same_text.reshaped()) z = float(random.normal());
  double const expected = cross_entropy(logits, b.student.tokens, gradient);
  for (loss_facts const& facts : all_losses()) {
    CAPTURE(facts.name);
    loss_options options = options_of(facts.kind);
    options.alpha = 0.7;
    mlot_step<double> step(options);
    loss_terms const terms = facts.one_vocabulary
                                 ? step(teacher_of_same_text, logits, same_text, &gradient)
                                 : step(teacher, logits, b, &gradient);
    CHECK(terms.cross_entropy == Approx(expected).epsilon(1e-12));
    double distance = terms.distance[0];
    if (facts.kind == loss_kind::multi_level)
      distance += 0.1 * terms.distance[1] + 0.1 * terms.distance[2];
    CHECK(distance > 0);
    CHECK(terms.total == Approx(expected + 0.7 * distance).epsilon(1e-12));
    CHECK(step.scratch_bytes() > 0);
  }
}

TEST_CASE("a row of the student's logits depends on its window alone") {
  ragged_tokens tokens = three_sequences(), alone;
  student<double> model(small, 0, 2);
  matrix<double> together, apart;
  model.forward(tokens, together);
  std::vector<token> const last(tokens[2].begin(), tokens[2].end());
  alone.append(last);
  model.forward(alone, apart);
  CHECK((together.bottomRows(8) - apart).cwiseAbs().maxCoeff() < 1e-13);

  alone.tokens[3] = (alone.tokens[3] + 1) % small.vocabulary;
  model.forward(alone, together);
  CHECK(together.topRows(4) == apart.topRows(4));  // it and what comes before: not yet seen
  for (index_t t = 4; t < 7; ++t) CHECK(together.row(t) != apart.row(t));
  CHECK(together.row(7) == apart.row(7));  // out of the window of 3
}

TEST_CASE("mlot's cross-entropy is the engine's own") {
  batch b;
  b.append({{1, 2, 3}, {4, 5, 6, 7}, 12});
  b.append({{3}, {2, 2}, 3});
  random_source random(1);
  matrix<double> logits(6, 9), own, mlots;
  matrix<float> teacher(4, 5);
  for (double& z : logits.reshaped()) z = 3 * random.normal();
  for (float& z : teacher.reshaped()) z = float(random.normal());
  mlot_step<double> step({.alpha = 0});
  double const expected = cross_entropy(logits, b.student.tokens, own);
  loss_terms const terms = step(teacher, logits, b, &mlots);
  CHECK(terms.cross_entropy == Approx(expected).epsilon(1e-13));
  CHECK(terms.total == Approx(expected).epsilon(1e-13));
  CHECK((own - mlots).cwiseAbs().maxCoeff() < 1e-14);
}

TEST_CASE("mlot's refusal reaches the engine as a sentence") {
  batch b;
  b.append({{1}, {0}, 1});
  matrix<double> logits = matrix<double>::Zero(1, 3);
  matrix<float> teacher = matrix<float>::Constant(1, 3, NAN);
  mlot_step<double> step({});
  CHECK_THROWS_WITH(step(teacher, logits, b, nullptr), ContainsSubstring("teacher_logits"));
}

TEST_CASE("Adam's first step is the rate, against the gradient's sign") {
  parameters<double> p;
  auto const x = p.add(1, 3);
  p.value(x).setConstant(1);
  p.gradient(x) << 4, -0.1, 0;
  adam<double> optimiser(3);
  optimiser.step(p, 0.25);
  CHECK(p.value(x)(0) == Approx(0.75));
  CHECK(p.value(x)(1) == Approx(1.25));
  CHECK(p.value(x)(2) == 1);
}
