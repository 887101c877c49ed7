#include "mlot/interop/dual_space.hpp"

#include "interop/dual_space_batch.hpp"
using namespace mlot;

namespace {
/// Everything varies: lengths (0 included), widths, vocabularies, labels, masks, reductions.
kit::dual_space_shape random_shape(random_source& random) {
  kit::dual_space_shape shape;
  shape.teacher_lengths.clear(), shape.student_lengths.clear();
  for (index_t b = random.below(3); b >= 0; --b) {
    shape.teacher_lengths.push_back(random.below(6));
    shape.student_lengths.push_back(random.below(6));
  }
  shape.teacher_width = 1 + random.below(6), shape.student_width = 1 + random.below(6);
  shape.teacher_vocabulary = 2 + random.below(12);
  shape.student_vocabulary = 2 + random.below(12);
  shape.labelled = random.below(5) != 0;
  shape.teacher_labelled = random.below(2) == 0;
  shape.masked = random.below(2) == 0;
  shape.absent = random.below(2) == 0;
  shape.seed = random.bits();
  return shape;
}
void choose_options(random_source& random, auto& loss) {
  auto& o = loss.options;
  using T = std::remove_cvref_t<decltype(o.ratio)>;
  o.ratio = T(random.uniform());
  o.temperature = T(random.uniform(0.5, 4));
  o.chunk = 1 + random.below(7);
  o.reduce = reduction(random.below(3));
  o.divisor = T(random.uniform(1, 30));
  loss.upstream = T(random.uniform(-3, 50));
}
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-11;
}  // namespace

TEMPLATE_LIST_TEST_CASE("dual-space distillation is the oracle's", "[dual_space]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  kit::largest_error terms, logits, hidden, query, to_student, to_teacher;
  index_t compared = 0, agreeing = 0;
  auto const compare = [&]<class Kind>(std::uint64_t seed, Kind kind) {
    CAPTURE(seed);
    random_source random(seed);
    auto const shape = random_shape(random);
    kit::dual_space_batch<T, S, S, Kind> all(shape, kind);
    choose_options(random, all.loss);
    auto const should = all.expected();
    if (should.margin < 1e-4L) return;  // argmax may round otherwise
    ++compared;
    agreeing += should.agreeing;
    all.template run<typename TestType::device>();
    REQUIRE(all.exactly_written());
    auto const error = kit::errors_of(all, should);
    terms.add(error.terms), logits.add(error.logits), hidden.add(error.hidden);
    query.add(error.query), to_student.add(error.to_student), to_teacher.add(error.to_teacher);
  };
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    compare(seed, forward_kl());
    if constexpr (std::is_same_v<S, T>) {
      compare(seed + 100, jensen_shannon<T>{T(0.5)});
    } else {
      compare(seed + 100, forward_kl());
    }
  }
  CHECK(compared >= 50);
  CHECK(agreeing >= 50);
  double const rounding = sizeof(S) == 2 ? (std::is_same_v<S, half> ? 0x1p-11 : 0x1p-8) : 0;
  CHECK(terms.value <= accuracy<T>);
  CHECK(logits.value <= accuracy<T> + rounding);
  CHECK(hidden.value <= accuracy<T> + rounding);
  CHECK(query.value <= accuracy<T>);
  CHECK(to_student.value <= accuracy<T>);
  CHECK(to_teacher.value <= accuracy<T>);
}

TEMPLATE_LIST_TEST_CASE("gradients of dual-space distillation are central differences",
                        "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  if constexpr (std::is_same_v<T, double>) {
    kit::dual_space_batch<T> all({});
    all.loss.upstream = 3;
    all.template run<Device>();
    auto const l = all.loss;
    all.loss.logit_gradient = {}, all.loss.hidden_gradient = {};
    all.loss.query_gradient = all.loss.teacher_to_student_gradient =
        all.loss.student_to_teacher_gradient = {};
    // q of L_ts is a constant, so that L_ts does not count where the maps move.
    auto const compare = [&](auto& input, auto& gradient, bool distils) {
      auto const value = [&] {
        all.template run<Device>();
        double const left_out =
            distils ? 0 : l.options.ratio * all.terms(dual_space_term::teacher_to_student);
        return 3 * (all.total() - left_out);
      };
      kit::norm_error error;
      double const h = 1e-5;
      for (index_t i = 0; i < input.rows(); ++i)
        for (index_t c = 0; c < input.cols(); ++c) {
          double const before = input(i, c);
          if (std::isnan(before)) continue;  // in a row of no token
          input(i, c) = before + h;
          double const above = value();
          input(i, c) = before - h;
          double const below = value();
          input(i, c) = before;
          error.add(gradient(i, c), (above - below) / (2 * h));
        }
      CHECK(error.norm > 0);
      return error.value();
    };
    CHECK(compare(all.student.logits, all.logit_gradient, true) <= 1e-8);
    CHECK(compare(all.student.hidden, all.hidden_gradient, true) <= 1e-8);
    CHECK(compare(all.query.weight, all.query_gradient.weight, false) <= 1e-7);
    CHECK(compare(all.query.bias, all.query_gradient.bias, false) <= 1e-7);
    CHECK(compare(all.to_student.weight, all.to_student_gradient.weight, false) <= 1e-8);
    CHECK(compare(all.to_student.bias, all.to_student_gradient.bias, false) <= 1e-8);
    CHECK(compare(all.to_teacher.weight, all.to_teacher_gradient.weight, true) <= 1e-8);
    CHECK(compare(all.to_teacher.bias, all.to_teacher_gradient.bias, true) <= 1e-8);
  }
}
