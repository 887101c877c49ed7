#include "mlot/primitive/ranked_difference.hpp"

#include "primitive/ranked_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

TEMPLATE_LIST_TEST_CASE("ranked differences are the oracle's at every length and layout",
                        "[ranked_difference]", every_gradient) {
  using T = typename TestType::scalar;
  for (index_t const length : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout)
      for (bool const longer : {false, true}) {
        index_t const other = longer ? length + 1 + length / 3 : (length + 1) / 2;
        if (length == 1000 && (where.step != 1 || longer)) continue;  // takes its time
        kit::ranked_batch<T, typename TestType::storage, typename TestType::gradient> all(
            {.m = other, .n = length, .seed = std::uint64_t(length)}, where);
        CAPTURE(length, other, where.step);
        kit::check_ranked<typename TestType::device>(all);
      }
}

TEMPLATE_LIST_TEST_CASE("ranked differences are the oracle's in random cases",
                        "[ranked_difference]", every_gradient) {
  using T = typename TestType::scalar;
  double const temperatures[] = {1, 1, 2, 0.5, 3};
  random_source random(3);
  for (int n = 0; n < 64; ++n) {
    kit::ranked_shape shape{.m = 1 + random.below(150), .n = 1 + random.below(150)};
    shape.scale = random.uniform(0, n % 8 == 7 ? 40 : 4);
    shape.step = n % 4 == 3 ? 0.5 : 0;
    shape.teacher_temperature = temperatures[random.below(5)];
    shape.temperature = temperatures[random.below(5)];
    shape.k = n % 3 == 2 ? 1 + random.below(60) : 0;
    shape.mean = random.below(2) == 0;
    shape.given_pairs = random.below(2) == 0;
    shape.masks = random.below(2) == 0;
    shape.seed = std::uint64_t(n);
    kit::ranked_batch<T, typename TestType::storage, typename TestType::gradient> all(shape);
    CAPTURE(n, shape.m, shape.n, shape.k, shape.step);
    kit::check_ranked<typename TestType::device>(all);
  }
}

TEMPLATE_LIST_TEST_CASE("the gradient of ranked differences is what differences of them find",
                        "[ranked_difference]", every_device) {
  using T = typename TestType::scalar;
  kit::ranked_batch<T, T> all({.m = 23, .n = 17, .temperature = 2, .given_pairs = true});
  all.cross_entropy_weight = 0;
  kit::succeeds<typename TestType::device>(all.primitive());
  kit::norm_error error;
  for (index_t b = 0; b < 5; ++b) {
    auto const pairs = all.pairs_of(b);
    if (pairs.empty()) continue;
    for (index_t j = all.student.tokens.offset[std::size_t(b)];
         j < all.student.tokens.offset[std::size_t(b) + 1]; ++j) {
      index_t const r = all.student.tokens.row[std::size_t(j)];
      auto z = all.student.row(j);
      auto const value = [&] {
        oracle::number sum = 0;
        for (auto const& [i, of] : pairs)
          if (index_t(of) == j)
            sum += oracle::ranked_difference(all.teacher.probabilities(index_t(i)),
                                             oracle::softmax(z, 2), 0)
                       .difference;
        return sum;
      };
      for (std::size_t v = 0; r >= 0 && v < z.size(); ++v) {
        oracle::number const middle = z[v], step = 1e-7L;
        z[v] = middle + step;
        oracle::number const above = value();
        z[v] = middle - step;
        oracle::number const below = value();
        z[v] = middle;
        oracle::number const slope = middle > -oracle::infinity ? (above - below) / (2 * step) : 0;
        error.add(all.gradient(r, index_t(v)),
                  all.weight(b) * slope / oracle::number(pairs.size()));
      }
    }
  }
  CHECK(error.norm > 0);
  CHECK(error.value() <= (std::is_same_v<T, float> ? 1e-5 : 1e-9));
}

TEMPLATE_LIST_TEST_CASE("equal models differ by exactly 0, with exactly no gradient",
                        "[ranked_difference]", every_storage) {
  using T = typename TestType::scalar;
  for (double const step : {0., 0.5})
    for (index_t const vocabulary : {1, 17, 700}) {
      std::vector<index_t> const lengths{3, 5};
      kit::ranked_batch<T, typename TestType::storage> all(
          {.m = vocabulary, .n = vocabulary, .teacher = lengths, .student = lengths, .step = step});
      kit::fill(all.teacher.logits, [&](index_t i, index_t v) { return all.student.logits(i, v); });
      all.derive();
      auto p = all.primitive();
      p.labels = {};
      kit::succeeds<typename TestType::device>(p);
      index_t wrong = 0;
      for (index_t r = 0; r < all.gradient.rows(); ++r)
        for (index_t v = 0; v < vocabulary; ++v) wrong += load_as<T>(all.gradient(r, v)) != 0;
      CHECK(wrong == 0);
      CHECK(all.out(0) == 0);
      CHECK(all.out(1) == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("the order of either vocabulary does not matter", "[ranked_difference]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::ranked_shape const shape{.m = 203, .n = 131};
  kit::ranked_batch<T, T> all(shape), turned(shape);
  kit::fill(turned.teacher.logits,
            [&](index_t i, index_t v) { return all.teacher.logits(i, (v + 57) % 203); });
  kit::fill(turned.student.logits,
            [&](index_t i, index_t v) { return all.student.logits(i, (v * 5) % 131); });
  auto p = all.primitive(), q = turned.primitive();
  p.labels = q.labels = {};
  kit::succeeds<typename TestType::device>(p);
  kit::succeeds<typename TestType::device>(q);
  kit::norm_error error;
  for (index_t b = 0; b < 5; ++b) {
    CHECK(double(turned.out(b)) == Approx(double(all.out(b))).epsilon(1e-5));
    CHECK(all.out(b) >= 0);
    CHECK(all.out(b) <= T(2.000001));
  }
  for (index_t r = 0; r < all.gradient.rows(); ++r)
    for (index_t v = 0; v < 131; ++v)
      error.add(turned.gradient(r, v), all.gradient(r, (v * 5) % 131));
  CHECK(error.norm > 0);
  CHECK(error.value() <= 1e-5);
}

TEMPLATE_LIST_TEST_CASE("as many ranks as ids are all ranks", "[ranked_difference]",
                        every_storage) {
  using T = typename TestType::scalar;
  for (index_t const k : {203, 204, 100000}) {
    kit::ranked_shape shape{.m = 203, .n = 131};
    kit::ranked_batch<T, typename TestType::storage> all(shape);
    shape.k = k;
    kit::ranked_batch<T, typename TestType::storage> cut(shape);
    kit::succeeds<typename TestType::device>(all.primitive());
    kit::succeeds<typename TestType::device>(cut.primitive());
    CHECK(cut.out.same_bits(all.out));
    CHECK(cut.gradient.same_bits(all.gradient));
  }
}

TEMPLATE_LIST_TEST_CASE("equal probabilities are ranked by id", "[ranked_difference]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  // A uniform student: rank l is id l. The teacher's first two ids are above 1/64, the rest below.
  kit::ranked_batch<T, S> all({.m = 64, .n = 64, .teacher = {1}, .student = {1}, .masks = false});
  kit::fill(all.student.logits, [](index_t, index_t) { return store_as<S>(T(1)); });
  kit::fill(all.teacher.logits,
            [](index_t, index_t v) { return store_as<S>(T(v == 40 || v == 50 ? 3 : 0)); });
  all.derive();
  for (index_t const k : {0, 5}) {
    auto p = all.primitive();
    p.labels = {};
    p.k = k;
    kit::succeeds<typename TestType::device>(p);
    index_t const r = all.student.tokens.row[0], last = k == 0 ? 64 : k;
    double const s = 1. / 64, mean = s * double(last - 4);
    index_t wrong = 0;
    for (index_t v = 0; v < 64; ++v) {
      double const h = v < 2 ? -1 : v < last ? 1 : 0;
      double const should = double(all.weight(0)) * s * (h - mean);
      wrong += std::abs(double(load_as<T>(all.gradient(r, v))) - should) > 0.01 * s;
    }
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("masked logits and rows of nothing else get gradient 0",
                        "[ranked_difference]", every_gradient) {
  using T = typename TestType::scalar;
  kit::ranked_batch<T, typename TestType::storage, typename TestType::gradient> all(
      {.m = 50, .n = 40});
  kit::succeeds<typename TestType::device>(all.primitive());
  index_t wrong = 0, masked = 0;
  for (index_t const r : all.student.tokens.row)
    for (index_t v = 0; r >= 0 && v < 40; ++v) {
      T const g = load_as<T>(all.gradient(r, v));
      bool const is_masked = load_as<T>(all.student.logits(r, v)) == -infinity<T>;
      wrong += !std::isfinite(g) || (is_masked && g != 0);
      masked += is_masked;
    }
  CHECK(masked > 40);
  CHECK(wrong == 0);
}

TEMPLATE_LIST_TEST_CASE("without tokens, or without a gradient, there is nothing else to write",
                        "[ranked_difference]", every_gradient) {
  using T = typename TestType::scalar;
  kit::ranked_batch<T, typename TestType::storage, typename TestType::gradient> all(
      {.m = 30, .n = 33}),
      forward({.m = 30, .n = 33}), none({.m = 30, .n = 33, .teacher = {}, .student = {}});
  kit::succeeds<typename TestType::device>(all.primitive());
  auto p = forward.primitive();
  p.gradient = {};
  p.label_partition = {};
  kit::succeeds<typename TestType::device>(p);
  CHECK(forward.out.same_bits(all.out));
  CHECK(forward.gradient.untouched());
  kit::succeeds<typename TestType::device>(none.primitive());
  for (index_t r = 0; r < none.gradient.rows(); ++r)
    for (index_t v = 0; v < 33; ++v) CHECK(load_as<T>(none.gradient(r, v)) == 0);
}

TEMPLATE_LIST_TEST_CASE("written over the student's logits it is the same gradient, bit by bit",
                        "[ranked_difference]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (double const temperature : {1., 2.}) {
    kit::ranked_shape const shape{.m = 90, .n = 77, .temperature = temperature};
    kit::ranked_batch<T, S> all(shape), in_place(shape);
    kit::succeeds<typename TestType::device>(all.primitive());
    auto p = in_place.primitive();
    p.gradient = in_place.student.logits.matrix();
    kit::succeeds<typename TestType::device>(p);
    CHECK(in_place.student.logits.same_bits(all.gradient));
  }
}

TEMPLATE_LIST_TEST_CASE("logits that the sums do not fit give numbers, not crashes",
                        "[ranked_difference]", every_device) {
  using T = typename TestType::scalar;
  for (T const bad : {std::numeric_limits<T>::quiet_NaN(), infinity<T>, T(1e30), T(-1e30)}) {
    kit::ranked_batch<T, T> all({.m = 300, .n = 300});
    for (auto* const side : {&all.teacher, &all.student})
      for (index_t v = 0; v < 300; v += 3) side->logits(side->tokens.row[0], v) = bad;
    (void)kit::run<typename TestType::device>(all.primitive());
    CHECK(all.out.exactly_written());
  }
}

TEMPLATE_LIST_TEST_CASE("ranked_difference: wrong arguments are named and nothing is written",
                        "[ranked_difference]", every_device) {
  using T = typename TestType::scalar;
  kit::ranked_batch<T, T> all({});
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), code, argument, change);
  };
  auto const shape = fault::shape;
  refuses(shape, "ranked_difference.teacher", [](auto& p) { p.teacher.logits.data = nullptr; });
  refuses(shape, "ranked_difference.teacher", [](auto& p) { p.teacher.maximum.size = 1; });
  refuses(shape, "ranked_difference.teacher", [](auto& p) { p.teacher.tokens = {}; });
  refuses(shape, "ranked_difference.teacher",
          [](auto& p) { p.teacher.tokens = {}, p.teacher.maximum = {}, p.teacher.partition = {}; });
  refuses(shape, "ranked_difference.student", [](auto& p) { p.student.partition.data = nullptr; });
  refuses(shape, "ranked_difference.student", [](auto& p) { p.student.tokens.longest = 1; });
  refuses(fault::value, "ranked_difference.student", [](auto& p) { p.student.temperature = 0; });
  refuses(fault::value, "ranked_difference.k", [](auto& p) { p.k = -1; });
  refuses(shape, "ranked_difference.pairs", [](auto& p) { p.pairs.offset = p.student.tokens.row; });
  refuses(shape, "ranked_difference.out", [](auto& p) { p.out.size = 1; });
  refuses(shape, "ranked_difference.weight", [](auto& p) { p.weight.each.size = 1; });
  refuses(fault::value, "ranked_difference.weight", [](auto& p) { p.weight = {infinity<T>}; });
  refuses(shape, "ranked_difference.labels", [](auto& p) { p.labels.label.size = 3; });
  refuses(fault::data, "ranked_difference.labels", [](auto& p) { p.labels.ignore_index = 3; });
  refuses(fault::value, "ranked_difference.cross_entropy_weight",
          [](auto& p) { p.cross_entropy_weight = infinity<T>; });
  refuses(shape, "ranked_difference.label_partition", [](auto& p) { p.label_partition = {}; });
  refuses(shape, "ranked_difference.gradient", [](auto& p) { p.gradient.cols = 2; });
  CHECK(all.out.untouched());
  CHECK(all.gradient.untouched());
}
