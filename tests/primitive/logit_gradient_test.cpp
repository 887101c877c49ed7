#include "mlot/primitive/logit_gradient.hpp"

#include "primitive/logit_gradient_batch.hpp"
using namespace mlot;

namespace {
/// Equal temperatures, ratio 2 both ways, the label's temperature among them or not, unrelated.
constexpr double temperatures[][2] = {{1, 1}, {2, 2}, {1, 2}, {2, 1}, {0.5, 1}, {3, 6}, {1.5, 0.7}};

template <class T, class S, class G>
void check(kit::gradient_batch<T, S, G>& all) {
  auto const expected = all.expected(), magnitude = all.magnitudes();
  oracle::number error = 0, norm = 0;
  kit::largest_error entry;
  double const eps = std::is_same_v<G, mlot::half> ? 0x1p-10 : 0x1p-7;
  double const least = std::is_same_v<G, mlot::half> ? 0x1p-14 : 0x1p-126;  // smallest normal
  for (index_t r = 0; r < all.gradient.rows(); ++r)
    for (index_t v = 0; v < all.gradient.cols(); ++v) {
      oracle::number const should = expected[std::size_t(r)][std::size_t(v)];
      T const is = load_as<T>(all.gradient(r, v));
      oracle::number const summands = magnitude[std::size_t(r)][std::size_t(v)];
      error += (is - should) * (is - should);
      norm += summands * summands;
      entry.add(std::fabs(is - should) / (eps * std::max<oracle::number>(summands, least)));
    }
  if constexpr (real<G>)
    CHECK(std::sqrt(error) <= (std::is_same_v<T, float> ? 1e-6 : 1e-13) * std::sqrt(norm));
  else
    CHECK(entry.value <= 3);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the gradient is the oracle's at every length and layout",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      kit::gradient_batch<T, typename TestType::storage, typename TestType::gradient> all(
          vocabulary, 6, T(1), T(2), where);
      kit::succeeds<typename TestType::device>(all.primitive());
      REQUIRE(all.gradient.exactly_written());
      CAPTURE(vocabulary, where.step);
      check(all);
    }
}

TEMPLATE_LIST_TEST_CASE("the gradient is the oracle's for any two temperatures and any k",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  for (auto const& tau : temperatures)
    for (index_t const k : {0, 1, 17, 50, 99})
      for (int const used : {0, 1, 2}) {
        kit::gradient_batch<T, typename TestType::storage, typename TestType::gradient> all(
            83, k, T(tau[0]), T(tau[1]));
        all.used = used;
        kit::succeeds<typename TestType::device>(all.primitive());
        REQUIRE(all.gradient.exactly_written());
        CAPTURE(tau[0], tau[1], k, used);
        check(all);
      }
}

TEMPLATE_LIST_TEST_CASE("a temperature for each token is that token's", "[logit_gradient]",
                        every_gradient) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, typename TestType::storage, typename TestType::gradient> all(65, 9, T(1),
                                                                                      T(1));
  kit::fill(all.temperature[0], [](index_t, index_t i) { return T(1 + i % 3) / 2; });
  kit::fill(all.temperature[1], [](index_t, index_t i) { return T(1 + i % 4); });
  random_source random(5);
  all.derive(random);
  kit::succeeds<typename TestType::device>(all.primitive());
  check(all);
}

TEMPLATE_LIST_TEST_CASE("a confident label leaves the small gradient that it should",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  kit::gradient_batch<T, S, typename TestType::gradient> all(33, 4, T(1), T(2));
  for (index_t const r : all.tokens.row)
    if (r >= 0 && all.label(r) != -100) all.logits(r, all.label(r)) = store_as<S>(T(12));
  random_source random(5);
  all.derive(random);
  all.used = 0;
  kit::succeeds<typename TestType::device>(all.primitive());
  check(all);
}

TEMPLATE_LIST_TEST_CASE("gradients with respect to p alone or to log p alone may be given",
                        "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  for (bool const table : {false, true}) {
    kit::gradient_batch<T, T> all(65, 9, T(1), T(2)), zero(65, 9, T(1), T(2));
    auto p = all.primitive();
    for (int const c : {0, 1}) {
      auto& absent = table ? zero.log_gradient[c] : zero.table_gradient[c];
      kit::fill(absent, [](index_t, index_t) { return T(0); });
      (table ? p.columns[c].log_gradient : p.columns[c].table_gradient) = {};
      if (!table) p.columns[c].probability = {};
    }
    kit::succeeds<typename TestType::device>(p);
    kit::succeeds<typename TestType::device>(zero.primitive());
    CHECK(all.gradient.same_bits(zero.gradient));
  }
}

TEMPLATE_LIST_TEST_CASE("written over the logits it is the same gradient, bit by bit",
                        "[logit_gradient]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (index_t const vocabulary : kit::lengths_around_lanes) {
    kit::gradient_batch<T, S> all(vocabulary, 6, T(1), T(2)), in_place(vocabulary, 6, T(1), T(2));
    kit::succeeds<typename TestType::device>(all.primitive());
    auto p = in_place.primitive();
    p.gradient = in_place.logits.matrix();
    kit::succeeds<typename TestType::device>(p);
    REQUIRE(in_place.logits.same_bits(all.gradient));
    REQUIRE(in_place.logits.frame_untouched());
  }
}

TEMPLATE_LIST_TEST_CASE("logit_gradient adds as many sets of columns as are given",
                        "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  for (int const given : {0, 1, 2}) {
    kit::gradient_batch<T, T> all(33, 6, T(1), T(2));
    auto p = all.primitive();
    p.labels = {};
    for (int c = given; c < 2; ++c) p.columns[c] = {};
    kit::succeeds<typename TestType::device>(p);
    index_t zeros = 0;
    index_t const r = all.tokens.row[0];
    for (index_t v = 0; v < 33; ++v) zeros += all.gradient(r, v) == T(0);
    CHECK((zeros == 33) == (given == 0));  // masked ones are 0
  }
}

TEMPLATE_LIST_TEST_CASE("rows that are no token and batches without any become 0",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, typename TestType::storage, typename TestType::gradient> all(33, 6, T(1),
                                                                                      T(2));
  auto p = all.primitive();
  p.columns[0] = p.columns[1] = {};
  p.labels = {};
  kit::succeeds<typename TestType::device>(p);  // tokens without columns and labels
  index_t wrong = 0;
  auto const count = [&] {
    for (index_t r = 0; r < all.gradient.rows(); ++r)
      for (index_t v = 0; v < 33; ++v) wrong += load_as<T>(all.gradient(r, v)) != 0;
    return all.gradient.exactly_written() ? wrong : -1;
  };
  CHECK(count() == 0);
  all.gradient.clear();
  p.tokens = {};
  p.maximum = {};
  kit::succeeds<typename TestType::device>(p);  // no sequences at all
  CHECK(count() == 0);
}

TEMPLATE_LIST_TEST_CASE("masked logits have gradient 0, and so do rows of nothing else",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  kit::gradient_batch<T, S, typename TestType::gradient> all(40, 6, T(1), T(2));
  index_t const whole = all.tokens.row[2];
  for (index_t v = 0; v < 40; ++v) all.logits(whole, v) = store_as<S>(T(-infinity<T>));
  all.label(all.tokens.row[0]) = 7;  // a masked label
  random_source random(2);
  all.derive(random);
  kit::succeeds<typename TestType::device>(all.primitive());
  index_t wrong = 0;
  for (index_t const r : all.tokens.row)
    for (index_t v = 0; r >= 0 && v < 40; ++v) {
      T const g = load_as<T>(all.gradient(r, v));
      wrong += !std::isfinite(g) || (load_as<T>(all.logits(r, v)) == -infinity<T> && g != 0);
    }
  CHECK(wrong == 0);
  check(all);
}

TEMPLATE_LIST_TEST_CASE("long rows and long lists of columns are as accurate, in place too",
                        "[logit_gradient]", every_gradient) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  using G = typename TestType::gradient;
  struct {
    index_t vocabulary, k;
    kit::layout where;
  } const cases[] = {{5003, 6, {}}, {5003, 6, {1, 3, 1}}, {5003, 6, {3, 0, 2}}, {61, 2080, {}}};
  for (auto const& [vocabulary, k, where] : cases) {
    kit::gradient_batch<T, S, G> all(vocabulary, k, T(1), T(2), where);
    for (auto& ids : all.ids)  // those that are no column first
      for (index_t b = 0; b < ids.rows(); ++b)
        for (index_t l = 0; l < k / 2; ++l) std::swap(ids(b, l), ids(b, k - 1 - l));
    random_source random(5);
    all.derive(random);
    kit::succeeds<typename TestType::device>(all.primitive());
    REQUIRE(all.gradient.exactly_written());
    CAPTURE(vocabulary, k, where.step);
    check(all);
    if constexpr (std::is_same_v<S, G>) {
      auto p = all.primitive();
      p.gradient = all.logits.matrix();
      kit::succeeds<typename TestType::device>(p);
      REQUIRE(all.logits.same_bits(all.gradient));
    }
  }
}
