// Weights of any size: a loss either names one of them, with its outputs untouched, or its gradient
// is finite.
#include <cmath>
#include <limits>

#include "loss/every_loss.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
/// Calls change(number) for each of a loss's numbers that multiply or divide its gradient.
template <class T>
void each_weight(multi_level<T>& l, auto change) {
  auto& o = l.options;
  for (T* const x : {&o.alpha, &o.holistic, &o.beta, &o.gamma, &l.upstream}) change(*x, true);
  for (T* const x : {&o.temperature, &o.transport_temperature}) change(*x, false);
  o.teacher_temperature = T(1);
}
template <class T>
void each_weight(universal_logit<T>& l, auto change) {
  for (T* const x : {&l.options.weight, &l.upstream}) change(*x, true);
  change(l.options.temperature, false);
  l.options.teacher_temperature = T(1);
}
template <class T>
void each_weight(sinkd<T>& l, auto change) {
  for (T* const x : {&l.weight, &l.upstream}) change(*x, true);
  change(l.temperature, false);
}
template <class T, class Kind>
void each_weight(divergence_distillation<T, Kind>& l, auto change) {
  change(l.upstream, true);
  change(l.options.temperature, false);
  l.options.temperature_squared = !l.options.temperature_squared;
}
template <class T>
void each_weight(distillkitplus<T>& l, auto change) {
  for (T* const x :
       {&l.weight, &l.difference_weight, &l.logarithm_weight, &l.transport_weight, &l.upstream})
    change(*x, true);
  change(l.temperature, false);
}
template <class T>
void each_weight(reference_code<T>& l, auto change) {
  for (T* const x :
       {&l.weight, &l.difference_weight, &l.logarithm_weight, &l.transport_weight, &l.upstream})
    change(*x, true);
  change(l.student_temperature, false);
}

template <class T>
bool all_finite(kit::framed<T>& gradient) {
  for (index_t r = 0; r < gradient.rows(); ++r)
    for (index_t v = 0; v < gradient.cols(); ++v)
      if (!std::isfinite(gradient(r, v))) return false;
  return true;
}
/// What a fault may name.
bool names_weight(std::string const& argument) {
  for (char const* const word :
       {"weight", "alpha", "holistic", "beta", "gamma", "upstream", "temperature", "divisor"})
    if (argument.ends_with(word)) return true;
  return false;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("weights of any size: named, or the gradient is finite", "", every_device) {
  using T = typename TestType::scalar;
  double const most = std::log10(double(std::numeric_limits<T>::max()));
  index_t refused = 0, taken = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    random_source random(seed);
    loss_test::every_loss<T> losses({{3, 3}, {3, 3}});
    losses.for_each([&](std::string const& name, auto loss, auto& terms) {
      each_weight(loss, [&](T& x, bool multiplies) {
        if (random.below(2) == 0) return;
        double const exponent =
            multiplies ? random.uniform(-5, most) : random.uniform(-most / 2, most / 6);
        x = T((multiplies && random.below(2) == 0 ? -1 : 1) * std::pow(10, exponent));
      });
      status const s = kit::run<typename TestType::device>(loss);
      INFO(name << ", seed " << seed << ": " << describe(s));
      ++(s.ok() ? taken : refused);
      if (s.ok()) {
        CHECK(all_finite(losses.gradient()));
        return;
      }
      CHECK(int(s.code) == int(fault::value));
      CHECK(names_weight(s.argument));
      CHECK(std::string(s.argument).starts_with(name));
      CHECK(losses.gradient().untouched());
      CHECK(terms.untouched());
    });
  }
  CHECK(refused > 100);
  CHECK(taken > 100);
}

TEMPLATE_LIST_TEST_CASE("a product of weights that is not finite names the largest of them", "",
                        every_device) {
  using T = typename TestType::scalar;
  T const large = std::sqrt(std::numeric_limits<T>::max()) * T(16);
  loss_test::every_loss<T> losses({{3, 3}, {3, 3}});
  losses.for_each([&]<class Loss>(std::string const&, Loss const& loss, auto& terms) {
    auto const refuses = [&](std::string const& argument, auto change) {
      Loss wrong = loss;
      change(wrong);
      INFO(argument);
      status const s = kit::run<typename TestType::device>(wrong);
      CHECK(int(s.code) == int(fault::value));
      CHECK(std::string(s.argument).ends_with(argument));
      CHECK(s.value >= double(large));
      CHECK((losses.gradient().untouched() && terms.untouched()));
    };
    if constexpr (std::is_same_v<Loss, multi_level<T>>) {
      for (auto const weight : {&multi_level_options<T>::beta, &multi_level_options<T>::gamma})
        refuses(weight == &multi_level_options<T>::beta ? ".beta" : ".gamma",
                [&](auto& l) { l.options.alpha = large, l.options.*weight = 2 * large; });
      refuses(".alpha", [&](auto& l) { l.options.alpha = 2 * large, l.upstream = large; });
      refuses(".upstream", [&](auto& l) { l.options.beta = large, l.upstream = 8 * large; });
    } else if constexpr (requires { loss.options.weight; }) {
      refuses(".weight", [&](auto& l) { l.options.weight = 2 * large, l.upstream = large; });
      refuses(".weight", [&](auto& l) {
        l.options.weight = std::numeric_limits<T>::max(), l.options.temperature = T(1e-5);
      });
    } else if constexpr (requires { loss.weight; }) {
      refuses(".weight", [&](auto& l) { l.weight = 2 * large, l.upstream = large; });
      refuses(".weight", [&](auto& l) {
        l.weight = std::numeric_limits<T>::max();
        if constexpr (requires { l.temperature; }) l.temperature = T(1e-5);
        if constexpr (requires { l.student_temperature; }) l.student_temperature = T(1e-5);
      });
    } else {
      refuses(".upstream", [&](auto& l) { l.upstream = std::numeric_limits<T>::max(); });
    }
  });
}

TEMPLATE_LIST_TEST_CASE("loss scaling as mixed precision has it is taken by every loss", "",
                        every_device) {
  using T = typename TestType::scalar;
  for (T const scale : {T(65536), T(16777216), T(4294967296)}) {
    loss_test::every_loss<T> losses({{3, 3}, {3, 3}});
    losses.for_each([&](std::string const&, auto loss, auto&) {
      loss.upstream = scale;
      kit::succeeds<typename TestType::device>(loss);
      CHECK(all_finite(losses.gradient()));
    });
  }
}
