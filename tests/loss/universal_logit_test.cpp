#include "mlot/loss/universal_logit.hpp"

#include "primitive/ranked_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
/// The loss on the numbers of a ranked_batch.
template <class T, class S>
struct loss_batch : kit::ranked_batch<T, S> {
  kit::framed<T> terms{3}, sequence_terms{5, 2};
  universal_logit_options<T> options;
  T upstream = T(0.5);
  explicit loss_batch(kit::ranked_shape const& of) : kit::ranked_batch<T, S>(of) {
    options.k = of.k;
    options.temperature = T(of.temperature);
    options.teacher_temperature = T(of.teacher_temperature);
    options.mean_over_pairs = of.mean;
    options.reduce = reduction::divisor;
    options.divisor = T(7);
    for (index_t const r : this->student.tokens.row)  // of a masked one CE is +inf
      if (r >= 0 && this->label(r) != -100 &&
          load_as<T>(this->student.logits(r, this->label(r))) == -infinity<T>)
        this->label(r) = -100;
  }
  universal_logit<T, S, S> loss() {
    auto const p = this->primitive();
    return {.teacher_logits = p.teacher.logits,
            .teacher_tokens = p.teacher.tokens,
            .student_logits = p.student.logits,
            .student_tokens = p.student.tokens,
            .labels = p.labels,
            .pairs = p.pairs,
            .options = options,
            .upstream = upstream,
            .terms = terms.vector(),
            .gradient = this->gradient.matrix(),
            .sequence_terms = sequence_terms.matrix()};
  }
  /// CE and ULD of every sequence; the gradient comes from the primitive's oracle.
  typename kit::ranked_batch<T, S>::reference reference_of(oracle::vector& cross_entropies) {
    double const divisor = options.reduce == reduction::sum ? 1
                           : options.reduce == reduction::divisor
                               ? double(options.divisor)
                               : double(this->student.tokens.count());
    this->cross_entropy_weight = T(double(upstream) / divisor);
    kit::fill(this->weight, [&](index_t, index_t) {
      return T(double(upstream) / divisor * double(options.weight));
    });
    auto const& tokens = this->student.tokens;
    cross_entropies.assign(std::size_t(tokens.sequences()), 0);
    for (index_t j = 0; j < tokens.count(); ++j)
      if (index_t const r = tokens.row[std::size_t(j)]; r >= 0 && this->label(r) != -100)
        cross_entropies[std::size_t(tokens.sequence_of(j))] +=
            oracle::cross_entropy(this->student.row(j), std::size_t(this->label(r)));
    return this->expected();
  }
};
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-11;
template <class S>
constexpr double stored = std::is_same_v<S, half>       ? 0x1p-10
                          : std::is_same_v<S, bfloat16> ? 0x1p-7
                                                        : 0;
}  // namespace

TEMPLATE_LIST_TEST_CASE("ULD's loss, terms and gradient are the oracle's", "[universal_logit]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  double const temperatures[] = {1, 1, 2, 0.5};
  random_source random(5);
  for (int n = 0; n < 50; ++n) {
    kit::ranked_shape shape{.m = 1 + random.below(120), .n = 1 + random.below(120)};
    shape.step = n % 4 == 3 ? 0.5 : 0;
    shape.teacher_temperature = temperatures[random.below(4)];
    shape.temperature = temperatures[random.below(4)];
    shape.k = n % 3 == 2 ? 1 + random.below(60) : 0;
    shape.mean = n % 2 == 0;
    shape.given_pairs = n % 5 < 2;
    shape.masks = n % 7 < 4;
    shape.seed = std::uint64_t(n + 100);
    loss_batch<T, S> all(shape);
    if (n % 3 == 0) all.options.reduce = n % 2 == 0 ? reduction::sum : reduction::mean_per_token;
    kit::succeeds<typename TestType::device>(all.loss());
    REQUIRE(all.terms.exactly_written());
    REQUIRE(all.sequence_terms.exactly_written());
    REQUIRE(all.gradient.exactly_written());
    oracle::vector cross_entropies;
    auto const should = all.reference_of(cross_entropies);
    oracle::number const share = all.cross_entropy_weight / oracle::number(all.upstream);
    oracle::number terms[2] = {0, 0};
    kit::norm_error of_sequences, of_terms, gradient;
    for (index_t b = 0; b < 5; ++b) {
      oracle::number const each[] = {cross_entropies[std::size_t(b)], should.out[std::size_t(b)]};
      for (index_t c : {0, 1}) {
        of_sequences.add(all.sequence_terms(b, c), each[c]);
        terms[c] += share * each[c];
      }
    }
    of_terms.add(all.terms(0), terms[0]);
    of_terms.add(all.terms(1), terms[1]);
    of_terms.add(all.terms(2), terms[0] + all.options.weight * terms[1]);
    for (index_t r = 0; r < all.gradient.rows(); ++r)
      for (index_t v = 0; v < shape.n; ++v)
        gradient.add(load_as<T>(all.gradient(r, v)),
                     should.gradient[std::size_t(r)][std::size_t(v)]);
    CAPTURE(n, shape.m, shape.n, shape.k);
    CHECK(of_sequences.value() <= accuracy<T>);
    CHECK(of_terms.value() <= accuracy<T>);
    CHECK(gradient.value() <= std::max(accuracy<T>, stored<S>));
  }
}

TEMPLATE_LIST_TEST_CASE("ULD's gradient is what differences of its total find", "[universal_logit]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  if constexpr (std::is_same_v<T, double> && !kit::is_emulated<Device>)
    for (index_t const k : {0, 4}) {
      kit::ranked_shape shape{.m = 12, .n = 9};
      shape.temperature = 2, shape.k = k, shape.masks = false;
      loss_batch<T, T> all(shape), moved(shape);
      kit::succeeds<Device>(all.loss());
      auto const total_at = [&](index_t r, index_t v, T step) {
        T& z = moved.student.logits(r, v);
        T const here = z;
        z = here + step;
        kit::succeeds<Device>(moved.loss());
        z = here;
        return moved.terms(universal_logit_term::total);
      };
      constexpr T h = 1e-6;  // ranks and signs hold over it
      kit::norm_error error;
      for (index_t const r : all.student.tokens.row)
        for (index_t v = 0; r >= 0 && v < shape.n; ++v)
          error.add(all.gradient(r, v) / all.upstream,
                    (total_at(r, v, h) - total_at(r, v, -h)) / (2 * h));
      CHECK(error.value() <= 1e-8);
    }
}

TEMPLATE_LIST_TEST_CASE("an unusable logit is named, and the outputs of ULD stay as they were",
                        "[universal_logit]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (T const bad : {std::numeric_limits<T>::quiet_NaN(), infinity<T>})
    for (bool const in_teacher : {false, true}) {
      loss_batch<T, S> all({});
      auto& side = in_teacher ? all.teacher : all.student;
      index_t const r = side.tokens.row[4];
      side.logits(r, 5) = store_as<S>(bad);
      status const s = kit::run<typename TestType::device>(all.loss());
      CHECK(int(s.code) == int(fault::data));
      CHECK(s.row == r);
      CHECK(s.column == 5);
      if (kit::is_emulated<typename TestType::device>) continue;
      CHECK(s.argument == std::string(in_teacher ? "universal_logit.teacher_logits"
                                                 : "universal_logit.student_logits"));
      CHECK(all.terms.untouched());
      CHECK(all.sequence_terms.untouched());
      CHECK(all.gradient.untouched());
    }
}

TEMPLATE_LIST_TEST_CASE("without labels, without sequences, without a gradient ULD is ordinary",
                        "[universal_logit]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  loss_batch<T, T> all({}), forward({}), none({.teacher = {}, .student = {}});
  auto p = all.loss();
  p.labels = {};
  kit::succeeds<Device>(p);
  CHECK(all.terms(0) == 0);
  CHECK(all.terms(1) > 0);
  CHECK(double(all.terms(2)) == Approx(1.5 * double(all.terms(1))));
  auto q = forward.loss();
  q.labels = {};
  q.gradient = {};
  q.sequence_terms = {};
  kit::succeeds<Device>(q);
  CHECK(forward.terms.same_bits(all.terms));
  CHECK(forward.gradient.untouched());
  auto r = none.loss();
  r.sequence_terms = {};
  kit::succeeds<Device>(r);
  for (index_t c = 0; c < 3; ++c) CHECK(none.terms(c) == 0);
  for (index_t v = 0; v < none.shape.n; ++v) CHECK(none.gradient(0, v) == 0);
}

TEMPLATE_LIST_TEST_CASE("ULD has the same bits for any number of threads", "[universal_logit]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  using device = typename TestType::device;
  kit::ranked_shape const shape{.m = 301, .n = 277, .step = 0.125};
  loss_batch<T, S> one(shape);
  {
    kit::thread_count const set(1);
    kit::succeeds<device>(one.loss());
  }
  for (int const threads : {2, 4, 16, 20}) {
    kit::thread_count const set(threads);
    loss_batch<T, S> many(shape);
    kit::succeeds<device>(many.loss());
    CHECK(many.terms.same_bits(one.terms));
    CHECK(many.sequence_terms.same_bits(one.sequence_terms));
    CHECK(many.gradient.same_bits(one.gradient));
  }
}

TEMPLATE_LIST_TEST_CASE("universal_logit: wrong arguments are named and nothing is written",
                        "[universal_logit]", every_device) {
  using T = typename TestType::scalar;
  loss_batch<T, T> all({});
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.loss(), code, argument, change);
  };
  auto const shape = fault::shape, value = fault::value;
  refuses(shape, "universal_logit.teacher_logits",
          [](auto& p) { p.teacher_logits.data = nullptr; });
  refuses(shape, "universal_logit.student_logits",
          [](auto& p) { p.student_logits.data = nullptr; });
  refuses(shape, "universal_logit.teacher_tokens", [](auto& p) { p.teacher_tokens = {}; });
  refuses(shape, "universal_logit.student_tokens", [](auto& p) { p.student_tokens.longest = 1; });
  refuses(shape, "universal_logit.labels", [](auto& p) { p.labels.label.size = 3; });
  refuses(shape, "universal_logit.pairs", [](auto& p) { p.pairs.offset = p.student_tokens.row; });
  refuses(value, "universal_logit.options.k", [](auto& p) { p.options.k = -1; });
  refuses(value, "universal_logit.options.temperature", [](auto& p) { p.options.temperature = 0; });
  refuses(value, "universal_logit.options.teacher_temperature",
          [](auto& p) { p.options.teacher_temperature = -1; });
  refuses(value, "universal_logit.options.weight", [](auto& p) { p.options.weight = infinity<T>; });
  refuses(value, "universal_logit.options.divisor", [](auto& p) { p.options.divisor = 0; });
  refuses(value, "universal_logit.upstream", [](auto& p) { p.upstream = infinity<T>; });
  refuses(shape, "universal_logit.terms", [](auto& p) { p.terms.size = 2; });
  refuses(shape, "universal_logit.gradient", [](auto& p) { p.gradient.cols = 2; });
  refuses(shape, "universal_logit.sequence_terms", [](auto& p) { p.sequence_terms.cols = 1; });
  CHECK(all.terms.untouched());
  CHECK(all.gradient.untouched());
}
