#include "mlot/loss/divergence_distillation.hpp"

#include "primitive/divergence_batch.hpp"
using namespace mlot;

namespace {
/// The loss over a batch whose primitive, with its frames and its oracle, is that of the kit.
template <class T, class Kind, class S = T>
struct distillation {
  using loss_type = divergence_distillation<T, Kind, dense_teacher<T, S>, S>;
  kit::divergence_batch<T, S> batch;
  kit::pairs_to_the_shorter shorter{batch.teacher_tokens, batch.student_tokens};
  kit::framed<T> terms{3};
  loss_type loss;

  distillation(kit::divergence_shape const& shape, Kind kind) : batch(shape) {
    auto const p = batch.primitive(kind);
    loss = {.teacher = p.teacher,
            .student_logits = p.student_logits,
            .student_tokens = p.student_tokens,
            .labels = p.labels,
            .pairs = shape.paired ? p.pairs : shorter.view(),
            .kind = kind,
            .options = {.temperature = p.temperature},
            .terms = terms.vector(),
            .gradient = batch.gradient.matrix(),
            .sequence_cross_entropy = batch.cross_entropy.vector(),
            .sequence_divergence = batch.out.vector()};
  }
  /// Weights that the batch's oracle has to know, from the loss's formula.
  void tell_weights() {
    auto const& o = loss.options;
    double const tau = double(o.temperature), s = o.temperature_squared ? tau * tau : 1;
    double const divisor = o.reduce == reduction::sum       ? 1
                           : o.reduce == reduction::divisor ? double(o.divisor)
                                                            : double(batch.student_tokens.count());
    double const scale = double(loss.upstream) / divisor;
    kit::fill(batch.weight, [&](index_t, index_t) { return T(scale * double(o.ratio) * s); });
    batch.cross_entropy_weight = T(scale * (1 - double(o.ratio)));
  }
  template <class Device>
  double value() {
    kit::succeeds<Device>(loss);
    return double(terms(divergence_distillation_term::total));
  }
};
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-12;
}  // namespace

TEMPLATE_LIST_TEST_CASE("the loss is the oracle's for any ratio, reduction and temperature",
                        "[divergence]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    random_source random(seed);
    kit::divergence_shape shape;
    shape.seed = random.bits();
    shape.m = 2 + random.below(50);
    shape.n = random.below(2) == 0 ? shape.m : 2 + random.below(50);
    shape.temperature = random.uniform(0.5, 3);
    shape.teacher_temperature = random.below(2) == 0 ? 0 : random.uniform(0.5, 3);
    shape.labelled = random.below(3) != 0;
    shape.paired = random.below(3) == 0;
    distillation<T, jensen_shannon<T>, S> all(shape, {T(0.25)});
    auto& o = all.loss.options;
    o.ratio = T(random.uniform());
    o.temperature_squared = random.below(2) == 0;
    o.reduce = reduction(random.below(3));
    o.divisor = T(random.uniform(1, 30));
    all.loss.upstream = T(random.uniform(-3, 50));
    kit::succeeds<typename TestType::device>(all.loss);
    REQUIRE(all.terms.exactly_written());
    if (shape.teacher_temperature == 0)
      all.batch.shape.teacher_temperature = double(T(shape.temperature));
    all.tell_weights();
    oracle::divergence_kind const name{oracle::divergence_name::jensen_shannon, 0.25L};
    all.batch.check(name);

    auto const should = all.batch.expected(name);
    double const share = o.reduce == reduction::sum ? 1
                         : o.reduce == reduction::divisor
                             ? double(o.divisor)
                             : double(all.batch.student_tokens.count());
    double const tau = double(o.temperature);
    double const entropy = double(oracle::sum(should.cross_entropy)) / share;
    double const value = double(oracle::sum(should.value)) / share;
    double const total = (1 - double(o.ratio)) * entropy +
                         double(o.ratio) * (o.temperature_squared ? tau * tau : 1) * value;
    kit::largest_error error;
    error.add(std::fabs(all.terms(0) - entropy) / (1 + entropy));
    error.add(std::fabs(all.terms(1) - value) / (1 + value));
    error.add(std::fabs(all.terms(2) - total) / (1 + total));
    CHECK(error.value <= accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("the gradient is that of central differences", "[divergence]",
                        on_every_device<kit::each_scalar>) {
  using T = typename TestType::scalar;
  if constexpr (std::is_same_v<T, double>)
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      if (name.name == oracle::divergence_name::adaptive_kl) return;  // its shares are constants
      CAPTURE(int(name.name), double(name.parameter));
      kit::divergence_shape shape;
      shape.m = shape.n = 11;
      shape.temperature = 1.5;
      shape.paired = true;
      distillation<T, std::remove_cvref_t<decltype(kind)>> all(shape, kind);
      all.loss.options.temperature_squared = true;
      all.loss.upstream = T(3);
      (void)all.template value<typename TestType::device>();
      kit::framed<T> analytic(all.batch.gradient.rows(), 11);
      kit::fill(analytic, [&](index_t r, index_t v) { return all.batch.gradient(r, v); });
      all.loss.gradient = {};
      kit::norm_error error;
      double const h = 1e-5;
      for (index_t const r : all.batch.student_tokens.row)
        for (index_t v = 0; r >= 0 && v < 11; ++v) {
          T& z = all.batch.student(r, v);
          T const before = z;
          z = before + h;
          double const above = all.template value<typename TestType::device>();
          z = before - h;
          double const below = all.template value<typename TestType::device>();
          z = before;
          error.add(analytic(r, v), 3 * (above - below) / (2 * h));
        }
      CHECK(error.value() <= 1e-8);
    });
}

TEMPLATE_LIST_TEST_CASE("a divergence of weight 0 counts nothing, even where it is infinite",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape shape;
  shape.n = 27;  // the teacher has ids that the student lacks
  distillation<T, forward_kl> all(shape, {});
  kit::succeeds<typename TestType::device>(all.loss);
  CHECK(all.terms(1) == infinity<T>);
  CHECK(all.terms(2) == infinity<T>);
  all.loss.options.ratio = T(0);
  kit::succeeds<typename TestType::device>(all.loss);
  CHECK(all.terms(2) == all.terms(0));
}

TEMPLATE_LIST_TEST_CASE("a batch without tokens or without sequences is 0", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape shape;
  shape.teacher_lengths = {3, 0}, shape.student_lengths = {0, 0};
  for (bool const sequences : {true, false}) {
    if (!sequences) shape.teacher_lengths = shape.student_lengths = {};
    distillation<T, jensen_shannon<T>> all(shape, {});
    all.loss.options.reduce = reduction::mean_per_token;
    kit::succeeds<typename TestType::device>(all.loss);
    for (index_t c = 0; c < 3; ++c) CHECK(all.terms(c) == 0);
    REQUIRE(all.batch.gradient.exactly_written());
    for (index_t r = 0; r < all.batch.gradient.rows(); ++r)
      for (index_t v = 0; v < shape.n; ++v) CHECK(all.batch.gradient(r, v) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("tokens that are not as many on both sides need pairs", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::divergence_shape shape;
  shape.teacher_lengths = {4, 0, 3, 6}, shape.student_lengths = {4, 2, 2, 6};
  distillation<T, forward_kl> all(shape, {});
  auto by_position = all.loss;
  by_position.pairs = {};
  status const s = kit::run<Device>(by_position);
  CHECK(int(s.code) == int(fault::shape));
  CHECK(s.argument == std::string("divergence_distillation.teacher.tokens"));
  CHECK((s.value == 3 && s.needed == 2 && s.row == 2));
  CHECK((all.terms.untouched() && all.batch.gradient.untouched()));
  kit::succeeds<Device>(all.loss);  // with pairs

  shape.student_lengths = {4, 2, 0, 6};  // a sequence without tokens on one side counts nothing
  distillation<T, forward_kl> fitting(shape, {});
  fitting.loss.pairs = {};
  kit::succeeds<Device>(fitting.loss);
}

TEMPLATE_LIST_TEST_CASE("divergence_distillation: wrong arguments are named, nothing is written",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  distillation<T, jensen_shannon<T>> all({}, {});
  auto const refuses = [&](fault code, std::string const& argument, auto change) {
    kit::refuses<typename TestType::device>(all.loss, code, argument, change);
  };
  std::string const own = "divergence_distillation.";
  for (T const bad : {T(-0.1), T(1.1), std::numeric_limits<T>::quiet_NaN()})
    refuses(fault::value, own + "options.ratio", [=](auto& l) { l.options.ratio = bad; });
  refuses(fault::value, own + "options.temperature", [](auto& l) { l.options.temperature = 0; });
  refuses(fault::value, own + "teacher.temperature", [](auto& l) { l.teacher.temperature = -1; });
  refuses(fault::value, own + "options.divisor", [](auto& l) { l.options.divisor = 0; });
  refuses(fault::value, own + "upstream", [](auto& l) { l.upstream = infinity<T>; });
  refuses(fault::value, "jensen_shannon.beta", [](auto& l) { l.kind.beta = 2; });
  refuses(fault::shape, own + "terms", [](auto& l) { l.terms.size = 4; });
  refuses(fault::shape, own + "sequence_divergence",
          [](auto& l) { l.sequence_divergence.size = 1; });
  refuses(fault::shape, own + "sequence_cross_entropy",
          [](auto& l) { l.sequence_cross_entropy.size = 1; });
  refuses(fault::shape, own + "gradient", [](auto& l) { l.gradient.cols = 3; });
  refuses(fault::shape, own + "teacher.logits", [](auto& l) { l.teacher.logits.data = nullptr; });
  refuses(fault::shape, own + "teacher.tokens", [](auto& l) { l.teacher.tokens = {}; });
  refuses(fault::shape, own + "student_logits", [](auto& l) { l.student_logits.rows = -1; });
  refuses(fault::shape, own + "student_tokens", [](auto& l) { ++l.student_tokens.longest; });
  refuses(fault::shape, own + "labels", [](auto& l) { --l.labels.label.size; });
  refuses(fault::shape, own + "pairs", [](auto& l) {
    l.pairs.offset = l.student_tokens.offset;
    --l.pairs.offset.size;
  });
  for (bool const teacher : {false, true}) {  // kernels find it when the loss is over
    distillation<T, jensen_shannon<T>> bad({}, {});
    auto& logits = teacher ? bad.batch.teacher : bad.batch.student;
    for (index_t r = 0; r < logits.rows(); ++r) logits(r, 0) = std::numeric_limits<T>::infinity();
    kit::refuses<typename TestType::device>(
        bad.loss, fault::data,
        std::string(kit::is_emulated<typename TestType::device> ? "divergence."
                                                                : "divergence_distillation.") +
            (teacher ? "teacher.logits" : "student_logits"),
        [](auto&) {});
  }
  CHECK(all.terms.untouched());
  CHECK(all.batch.out.untouched());
  CHECK(all.batch.cross_entropy.untouched());
  CHECK(all.batch.gradient.untouched());
}
