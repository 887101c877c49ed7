// What must hold of divergences whatever their implementation.
#include "mlot/primitive/divergence.hpp"
#include "primitive/divergence_batch.hpp"
using namespace mlot;

namespace {
using oracle::divergence_name;
/// Makes the teacher's logits the student's, token by token, plus noise.
template <class T>
void equalise(kit::divergence_batch<T>& all, double noise = 0) {
  random_source random(3);
  for (std::size_t i = 0; i < all.teacher_tokens.row.size(); ++i)
    for (index_t v = 0; all.teacher_tokens.row[i] >= 0 && v < all.shape.n; ++v)
      all.teacher(all.teacher_tokens.row[i], v) =
          all.student(all.student_tokens.row[i], v) + T(noise * random.normal());
}
kit::divergence_shape equal_lengths(index_t vocabulary) {
  kit::divergence_shape shape;
  shape.teacher_lengths = shape.student_lengths = {3, 4};
  shape.m = shape.n = vocabulary;
  shape.temperature = 1.5;
  shape.teacher_temperature = 0;  // the student's
  shape.labelled = false;
  return shape;
}
template <class T>
constexpr double rounding = std::is_same_v<T, float> ? 2e-6 : 1e-14;
/// A student of one token and a teacher of one, with given logits, without labels.
template <class T>
kit::divergence_batch<T> one_pair(std::vector<double> const& teacher,
                                  std::vector<double> const& student) {
  kit::divergence_shape shape;
  shape.teacher_lengths = shape.student_lengths = {1};
  shape.m = index_t(teacher.size()), shape.n = index_t(student.size());
  shape.labelled = false;
  kit::divergence_batch<T> all(shape);
  for (index_t v = 0; v < shape.m; ++v) all.teacher(1, v) = T(teacher[std::size_t(v)]);
  for (index_t v = 0; v < shape.n; ++v) all.student(1, v) = T(student[std::size_t(v)]);
  all.weight(0) = 1;
  return all;
}
constexpr double masked = -std::numeric_limits<double>::infinity();
}  // namespace

TEMPLATE_LIST_TEST_CASE("equal distributions have value 0, exactly, and gradient 0", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  for (index_t const vocabulary : {1, 37, 1500}) {
    kit::divergence_batch<T> all(equal_lengths(vocabulary));
    equalise(all);
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(vocabulary, int(name.name), double(name.parameter));
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      for (index_t b : {0, 1}) CHECK(all.out(b) == 0);
      // The skewed slopes are shares of q: their mean is rounded.
      bool const skewed = name.name == divergence_name::skewed_kl ||
                          name.name == divergence_name::skewed_reverse_kl;
      double largest = 0;
      for (index_t r = 0; r < all.gradient.rows(); ++r)
        for (index_t v = 0; v < vocabulary; ++v)
          largest = std::max(largest, std::fabs(double(all.gradient(r, v))));
      CHECK(largest <= (skewed ? rounding<T> : 0));
    });
  }
}

TEMPLATE_LIST_TEST_CASE("no divergence is negative, and bounded ones keep to their bound",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  for (double const noise : {1e-3, 1e-1, 3., 50.}) {
    kit::divergence_batch<T> all(equal_lengths(61));
    equalise(all, noise);
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(noise, int(name.name), double(name.parameter));
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      double const a = double(name.parameter);
      double bound = std::numeric_limits<double>::infinity();
      if (name.name == divergence_name::total_variation) bound = 1;
      if (name.name == divergence_name::jensen_shannon && a > 0 && a < 1)
        bound = -a * std::log(a) - (1 - a) * std::log(1 - a);
      if (name.name == divergence_name::skewed_kl ||
          name.name == divergence_name::skewed_reverse_kl)
        bound = -std::log(a);
      for (index_t b : {0, 1}) {
        double const pairs = b == 0 ? 2 : 3;  // one token of each sequence is absent
        CHECK(all.out(b) >= -pairs * rounding<T>);
        CHECK(all.out(b) <= pairs * (bound + rounding<T>));
      }
    });
  }
}

TEMPLATE_LIST_TEST_CASE("disjoint distributions reach the bounds", "[divergence]", every_device) {
  using T = typename TestType::scalar;
  auto all = one_pair<T>({0, 0, masked, masked}, {masked, masked, 1, 2});
  auto const value = [&](auto const& kind) {
    kit::succeeds<typename TestType::device>(all.primitive(kind));
    for (index_t v = 0; v < 4; ++v) CHECK(std::isfinite(all.gradient(1, v)));
    for (index_t v = 0; v < 2; ++v) CHECK(all.gradient(1, v) == 0);
    return double(all.out(0));
  };
  CHECK(value(jensen_shannon<T>()) == Approx(std::log(2)));
  CHECK(value(skewed_kl<T>{T(0.25)}) == Approx(-std::log(0.25)));
  CHECK(value(skewed_reverse_kl<T>{T(0.25)}) == Approx(-std::log(0.25)));
  CHECK(value(total_variation()) == Approx(1));
  CHECK(value(forward_kl()) == std::numeric_limits<double>::infinity());
  CHECK(value(reverse_kl()) == std::numeric_limits<double>::infinity());
  CHECK(value(adaptive_kl<T>()) == std::numeric_limits<double>::infinity());
}

TEMPLATE_LIST_TEST_CASE("Jensen-Shannon: swapped sides are a swapped beta, by either convention",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape const shape = equal_lengths(53);
  kit::divergence_batch<T> all(shape), swapped(shape);
  for (std::size_t i = 0; i < all.teacher_tokens.row.size(); ++i)
    for (index_t v = 0, r = all.teacher_tokens.row[i]; r >= 0 && v < 53; ++v) {
      swapped.teacher(r, v) = all.student(r, v);
      swapped.student(r, v) = all.teacher(r, v);
    }
  for (double const beta : {0., 0.25, 0.5, 1.}) {
    kit::succeeds<typename TestType::device>(all.primitive(jensen_shannon<T>{T(beta)}));
    for (auto const& other :
         {jensen_shannon<T>{T(1 - beta)}, jensen_shannon<T>{T(beta), mixture_weight::student}}) {
      kit::succeeds<typename TestType::device>(swapped.primitive(other));
      for (index_t b : {0, 1}) CHECK(swapped.out(b) == Approx(double(all.out(b))).epsilon(1e-5));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("small weights and skews come near their limits", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::divergence_batch<T> all(equal_lengths(53));
  auto const value = [&](auto const& kind) {
    kit::succeeds<typename TestType::device>(all.primitive(kind));
    return double(all.out(0) + all.out(1));
  };
  double const forward = value(forward_kl()), reverse = value(reverse_kl());
  double const small = 1e-3;
  CHECK(value(jensen_shannon<T>{T(small)}) / small == Approx(forward).epsilon(0.02));
  CHECK(value(jensen_shannon<T>{T(1 - small)}) / small == Approx(reverse).epsilon(0.02));
  CHECK(value(skewed_kl<T>{T(small)}) == Approx(forward).epsilon(0.02));
  CHECK(value(skewed_reverse_kl<T>{T(small)}) == Approx(reverse).epsilon(0.02));
  CHECK(value(skewed_kl<T>{T(1)}) == 0);
  CHECK(value(skewed_reverse_kl<T>{T(1)}) == 0);
}

TEMPLATE_LIST_TEST_CASE("twice the logits at twice the temperature: equal bits, half the gradient",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  auto shape = equal_lengths(45);
  kit::divergence_batch<T> all(shape);
  shape.temperature *= 2;
  kit::divergence_batch<T> twice(shape);
  for (auto* z : {&twice.teacher, &twice.student})
    for (index_t r = 0; r < z->rows(); ++r)
      for (index_t v = 0; v < 45; ++v) (*z)(r, v) *= 2;
  kit::succeeds<typename TestType::device>(all.primitive(jensen_shannon<T>()));
  kit::succeeds<typename TestType::device>(twice.primitive(jensen_shannon<T>()));
  CHECK(twice.out.same_bits(all.out));
  index_t wrong = 0;
  for (index_t r = 0; r < all.gradient.rows(); ++r)
    for (index_t v = 0; v < 45; ++v) wrong += twice.gradient(r, v) != all.gradient(r, v) / 2;
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("a gradient row adds up to 0", "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_batch<T> all(equal_lengths(70));
  kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
    CAPTURE(int(name.name), double(name.parameter));
    kit::succeeds<typename TestType::device>(all.primitive(kind));
    double largest = 0;
    for (index_t r = 0; r < all.gradient.rows(); ++r) {
      double sum = 0;
      for (index_t v = 0; v < 70; ++v) sum += double(all.gradient(r, v));
      largest = std::max(largest, std::fabs(sum));
    }
    CHECK(largest <= 10 * rounding<T>);
  });
}

TEMPLATE_LIST_TEST_CASE("forward KL from a one-hot teacher is cross-entropy, masked labels too",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  for (bool const masks : {false, true}) {
    auto all = one_pair<T>({masked, 0, masked}, {0.5, masks ? masked : 1, -1});
    kit::succeeds<typename TestType::device>(all.primitive(forward_kl()));
    auto labelled = one_pair<T>({masked, masked, masked}, {0.5, masks ? masked : 1, -1});
    labelled.shape.labelled = true;
    labelled.label(1) = 1;
    labelled.cross_entropy_weight = 1;
    kit::succeeds<typename TestType::device>(labelled.primitive(forward_kl()));
    CHECK(labelled.out(0) == 0);  // a teacher without a distribution
    if (masks)
      CHECK(all.out(0) == infinity<T>);
    else
      CHECK(all.out(0) == Approx(double(labelled.cross_entropy(0))).epsilon(rounding<T>));
    CHECK(labelled.cross_entropy(0) >= all.out(0) * (1 - rounding<T>));
    for (index_t v = 0; v < 3; ++v)
      CHECK(all.gradient(1, v) == Approx(double(labelled.gradient(1, v))).margin(rounding<T>));
  }
}

TEMPLATE_LIST_TEST_CASE("a narrower vocabulary is one padded with -inf", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  for (bool const teacher_is_wider : {true, false}) {
    kit::divergence_shape shape = equal_lengths(1400);
    (teacher_is_wider ? shape.n : shape.m) = 1283;
    kit::divergence_batch<T> narrow(shape);
    shape.m = shape.n = 1400;
    kit::divergence_batch<T> padded(shape);
    auto const pad = [](auto& from, auto& to) {
      kit::fill(to, [&](index_t r, index_t v) { return v < from.cols() ? from(r, v) : T(masked); });
    };
    pad(narrow.teacher, padded.teacher);
    pad(narrow.student, padded.student);
    kit::fill(padded.weight, [&](index_t, index_t b) { return narrow.weight(b); });
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(teacher_is_wider, int(name.name), double(name.parameter));
      kit::succeeds<typename TestType::device>(narrow.primitive(kind));
      kit::succeeds<typename TestType::device>(padded.primitive(kind));
      for (index_t b : {0, 1}) {
        if (narrow.out(b) == infinity<T>)
          CHECK(padded.out(b) == infinity<T>);
        else
          CHECK(padded.out(b) == Approx(double(narrow.out(b))).epsilon(1e-5).margin(rounding<T>));
      }
      kit::norm_error error;
      index_t wrong = 0;
      for (index_t const r : padded.student_tokens.row)
        for (index_t v = 0; r >= 0 && v < 1400; ++v)
          if (v < narrow.shape.n)
            error.add(padded.gradient(r, v), narrow.gradient(r, v));
          else
            wrong += padded.gradient(r, v) != 0;
      CHECK(error.value() <= 10 * rounding<T>);
      CHECK(wrong == 0);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("views of the columns that count leave a padded lm_head's others out",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape shape = equal_lengths(40);
  shape.m = 31;
  kit::divergence_batch<T> all(shape);
  auto p = all.primitive(reverse_kl());
  kit::succeeds<typename TestType::device>(p);
  CHECK(all.out(0) == infinity<T>);
  p.student_logits.cols = p.gradient.cols = 31;
  kit::succeeds<typename TestType::device>(p);
  CHECK(std::isfinite(all.out(0)));
}

TEMPLATE_LIST_TEST_CASE("where reverse KL is infinite the other ids are compared among themselves",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  auto all = one_pair<T>({0.3, -1, masked, 2}, {1, 0.5, 0.25, -0.5});
  kit::succeeds<typename TestType::device>(all.primitive(reverse_kl()));
  CHECK(all.out(0) == infinity<T>);
  CHECK(all.gradient(1, 2) == 0);
  T sum(0);
  for (index_t v = 0; v < 4; ++v) sum += all.gradient(1, v);
  CHECK(std::fabs(sum) <= rounding<T>);
  // As without the id, but for the factor that its probability leaves the others.
  auto without = one_pair<T>({0.3, -1, masked, 2}, {1, 0.5, masked, -0.5});
  kit::succeeds<typename TestType::device>(without.primitive(reverse_kl()));
  double const rest = (std::exp(1) + std::exp(0.5) + std::exp(-0.5)) /
                      (std::exp(1) + std::exp(0.5) + std::exp(0.25) + std::exp(-0.5));
  for (index_t v : {0, 1, 3})
    CHECK(all.gradient(1, v) == Approx(rest * double(without.gradient(1, v))).margin(rounding<T>));
}

TEMPLATE_LIST_TEST_CASE("a row of -inf only has no distribution: its pairs count 0", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  for (auto const& [teacher, student] :
       {std::pair(std::vector<double>{masked, masked}, std::vector<double>{0, 1}),
        std::pair(std::vector<double>{0, 1}, std::vector<double>{masked, masked})}) {
    auto all = one_pair<T>(teacher, student);
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind) {
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      CHECK(all.out(0) == 0);
      CHECK(all.gradient(1, 0) == 0);
      CHECK(all.gradient(1, 1) == 0);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("log-probabilities are a teacher like logits", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  auto shape = equal_lengths(33);
  kit::divergence_batch<T> logits(shape);
  shape.teacher_temperature = 1;
  kit::divergence_batch<T> logs(shape);
  for (index_t i = 0; i < logs.teacher_tokens.count(); ++i)
    if (index_t const r = logs.teacher_tokens.row[std::size_t(i)]; r >= 0) {
      auto const log_q = oracle::log_softmax(logits.row(logits.teacher, r, 33), 1.5L);
      for (index_t v = 0; v < 33; ++v) logs.teacher(r, v) = T(log_q[std::size_t(v)]);
    }
  kit::succeeds<typename TestType::device>(logits.primitive(forward_kl()));
  kit::succeeds<typename TestType::device>(logs.primitive(forward_kl()));
  for (index_t b : {0, 1})
    CHECK(logs.out(b) == Approx(double(logits.out(b))).epsilon(10 * rounding<T>));
}

TEMPLATE_LIST_TEST_CASE("tied teacher logits: the lower ids are adaptive KL's tail", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  std::vector<double> const teacher(7, 0.0), student{3, 1, 2, 0, -1, 0.5, 1.5};
  auto all = one_pair<T>(teacher, student);
  kit::succeeds<typename TestType::device>(all.primitive(adaptive_kl<T>()));
  auto const q = oracle::softmax(oracle::vector(7, 0), 1);
  auto const p = oracle::softmax(oracle::vector(student.begin(), student.end()), 1);
  double const should = double(oracle::divergence({divergence_name::adaptive_kl}, q, p));
  CHECK(all.out(0) == Approx(should).epsilon(10 * rounding<T>));
}
