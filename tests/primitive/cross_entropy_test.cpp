#include "mlot/primitive/cross_entropy.hpp"

#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
using namespace mlot;

namespace {
template <class T, class S>
struct batch {
  kit::tokens tokens;
  kit::framed<S> logits;
  kit::framed<index_t> label{tokens.rows};
  kit::framed<T> maximum{tokens.count()}, partition{tokens.count()}, out{tokens.sequences()};

  batch(std::vector<index_t> const& lengths, index_t vocabulary, double scale,
        kit::layout where = {1, 3, 1})
      : tokens(lengths, true), logits(tokens.rows, vocabulary, where) {
    random_source random{std::uint64_t(vocabulary)};
    for (index_t i = 0; i < tokens.count(); ++i) {
      index_t const r = tokens.row[std::size_t(i)];
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v)
        logits(r, v) = store_as<S>(T(scale * random.normal()));
      if (r >= 0) label(r) = r % 4 == 3 ? -100 : random.below(vocabulary);
      oracle::vector const z = row(i);
      maximum(i) = T(oracle::maximum(z));
      partition(i) = T(oracle::partition(z, 1));
    }
  }
  oracle::vector row(index_t i) {
    oracle::vector z(std::size_t(logits.cols()), -oracle::infinity);
    index_t const r = tokens.row[std::size_t(i)];
    for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
      z[std::size_t(v)] = load_as<T>(logits(r, v));
    return z;
  }
  cross_entropy<T, S, host_memory> primitive() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .labels = {label.vector()},
            .maximum = maximum.vector(),
            .partition = partition.vector(),
            .out = out.vector()};
  }
  /// With the maximum and the partition as they were given, rounded to T.
  oracle::number expected(index_t b) {
    oracle::number sum = 0;
    for (index_t i = tokens.offset[std::size_t(b)]; i < tokens.offset[std::size_t(b) + 1]; ++i) {
      index_t const r = tokens.row[std::size_t(i)];
      if (r < 0 || label(r) == -100) continue;
      sum += std::log(oracle::number(partition(i))) + maximum(i) - row(i)[std::size_t(label(r))];
    }
    return sum;
  }
};
template <class T>
double allowed() {
  return std::is_same_v<T, float> ? 1e-6 : 1e-13;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("cross-entropy is the oracle's at every length, layout and sharpness",
                        "[cross_entropy]", every_storage) {
  using T = typename TestType::scalar;
  kit::largest_error error;
  for (double const scale : {0.01, 1., 4., 60.})
    for (index_t const vocabulary : kit::lengths_around_lanes)
      for (kit::layout const where : kit::every_layout) {
        batch<T, typename TestType::storage> all({3, 0, 9, 1}, vocabulary, scale, where);
        kit::succeeds<typename TestType::device>(all.primitive());
        REQUIRE(all.out.exactly_written());
        for (index_t b = 0; b < 4; ++b) error.relative(all.out(b), all.expected(b));
      }
  CHECK(error.value <= allowed<T>());
}

TEMPLATE_LIST_TEST_CASE("given an exact partition, cross-entropy is minus the log softmax",
                        "[cross_entropy]", every_storage) {
  using T = typename TestType::scalar;
  for (index_t const vocabulary : {2, 33, 1000}) {
    batch<T, typename TestType::storage> all({3, 5}, vocabulary, 3);
    kit::succeeds<typename TestType::device>(all.primitive());
    for (index_t b = 0; b < 2; ++b) {
      oracle::number sum = 0;
      for (index_t i = all.tokens.offset[std::size_t(b)]; i < all.tokens.offset[std::size_t(b) + 1];
           ++i)
        if (index_t const r = all.tokens.row[std::size_t(i)]; r >= 0 && all.label(r) != -100)
          sum += oracle::cross_entropy(all.row(i), std::size_t(all.label(r)));
      kit::largest_error error;
      error.relative(all.out(b), sum);
      CHECK(error.value <= allowed<T>());
    }
  }
}

TEMPLATE_LIST_TEST_CASE("without labels, with all ignored, or without tokens, it is 0",
                        "[cross_entropy]", every_storage) {
  using T = typename TestType::scalar;
  batch<T, typename TestType::storage> all({3, 0}, 9, 1), none({3, 0}, 9, 1), empty({}, 9, 1);
  for (index_t const r : all.tokens.row)
    if (r >= 0) all.label(r) = -7;
  auto p = all.primitive();
  p.labels.ignore_index = -7;
  kit::succeeds<typename TestType::device>(p);
  auto q = none.primitive();
  q.labels = {};
  kit::succeeds<typename TestType::device>(q);
  kit::succeeds<typename TestType::device>(empty.primitive());
  for (index_t const b : {0, 1}) {
    CHECK(all.out(b) == 0);
    CHECK(none.out(b) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("a masked label gives +inf, in its sequence alone", "[cross_entropy]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  batch<T, S> all({3, 3}, 9, 1);
  index_t const r = all.tokens.row[0];
  all.logits(r, all.label(r)) = store_as<S>(-infinity<T>);
  kit::succeeds<typename TestType::device>(all.primitive());
  CHECK(all.out(0) == infinity<T>);
  CHECK(all.out(1) == Approx(double(all.expected(1))));
}

TEMPLATE_LIST_TEST_CASE("a label past the vocabulary is answered with its row", "[cross_entropy]",
                        every_storage) {
  using T = typename TestType::scalar;
  for (index_t const bad : {9, -1, -101}) {
    batch<T, typename TestType::storage> all({3, 3}, 9, 1);
    index_t const r = all.tokens.row[3];
    all.label(r) = bad;
    status const s = kit::run<typename TestType::device>(all.primitive());
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == std::string("cross_entropy.labels"));
    CHECK(s.row == r);
    CHECK(s.value == double(bad));
    CHECK(all.out.untouched());
  }
}

TEMPLATE_LIST_TEST_CASE("cross_entropy: wrong arguments are named and nothing is written",
                        "[cross_entropy]", every_device) {
  using T = typename TestType::scalar;
  batch<T, T> all({2, 3}, 9, 1);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("cross_entropy.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses("cross_entropy.tokens", [](auto& p) { p.tokens.longest = 2; });
  refuses("cross_entropy.tokens", [](auto& p) { p.logits.rows = 3; });
  refuses("cross_entropy.labels", [](auto& p) { p.labels.label.size = 5; });
  refuses("cross_entropy.labels", [](auto& p) { p.labels.label.data = nullptr; });
  refuses("cross_entropy.maximum", [](auto& p) { p.maximum.size = 4; });
  refuses("cross_entropy.partition", [](auto& p) { p.partition.data = nullptr; });
  refuses("cross_entropy.out", [](auto& p) { p.out.size = 1; });
  CHECK(all.out.untouched());
}
