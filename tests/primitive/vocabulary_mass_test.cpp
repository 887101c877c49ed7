#include "mlot/scalar/vocabulary_mass.hpp"

#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "primitive/thread_count.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
using namespace mlot;

namespace {
/// Logits and outputs of a batch at three temperatures: one for all tokens with a mass, one each
/// with a mass, and one without.
template <class T, class S>
struct batch {
  kit::tokens tokens;
  kit::framed<S> logits;
  kit::framed<T> maximum{tokens.count()}, temperature{tokens.count()};
  kit::framed<T> partition[3]{kit::framed<T>{tokens.count()}, kit::framed<T>{tokens.count()},
                              kit::framed<T>{tokens.count()}};
  kit::framed<T> mass[2];
  T one[3] = {T(1), T(0), T(2)};  ///< temperature of all tokens; 0: one each

  batch(kit::tokens rows, index_t vocabulary, kit::layout where = {1, 3, 1})
      : tokens(std::move(rows)),
        logits(tokens.rows, vocabulary, where),
        mass{kit::framed<T>{tokens.sequences(), vocabulary, where},
             kit::framed<T>{tokens.sequences(), vocabulary, where}} {
    for (index_t i = 0; i < tokens.count(); ++i) temperature(i) = T(0.5) + T(i % 4);
  }
  /// Random rows. Those that are no token are NaN: they must not be looked at.
  void draw(std::uint64_t seed, double scale, double shift) {
    random_source random(seed);
    for (index_t const r : tokens.row)
      for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
        logits(r, v) = store_as<S>(T(shift + scale * random.normal()));
  }
  one_or_each<T, host_memory> temperature_of(int c) {
    if (one[c] == 0) return host::vector<T const>(temperature.vector());
    return one[c];
  }
  vocabulary_mass<T, S, host_memory> primitive() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .maximum = maximum.vector(),
            .at = {{temperature_of(0), partition[0].vector(), mass[0].matrix()},
                   {temperature_of(1), partition[1].vector(), mass[1].matrix()},
                   {temperature_of(2), partition[2].vector(), {}}}};
  }
  T tau(int c, index_t i) { return one[c] == 0 ? temperature(i) : one[c]; }
  oracle::vector row(index_t i) {
    oracle::vector z(std::size_t(logits.cols()), -oracle::infinity);
    index_t const r = tokens.row[std::size_t(i)];
    for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
      z[std::size_t(v)] = load_as<T>(logits(r, v));
    return z;
  }
  bool exactly_written() const {
    return maximum.exactly_written() && partition[0].exactly_written() &&
           partition[1].exactly_written() && partition[2].exactly_written() &&
           mass[0].exactly_written() && mass[1].exactly_written();
  }
  bool untouched() const {
    return maximum.untouched() && partition[0].untouched() && partition[1].untouched() &&
           partition[2].untouched() && mass[0].untouched() && mass[1].untouched();
  }
};

struct errors {
  kit::largest_error maximum, partition, mass;  ///< mass beyond the n eps / 2 of summing n tokens
};
/// Runs the batch and compares everything with the oracle. A token's probability below T's smallest
/// normal number may be 0; nothing else is forgiven.
template <class Device, class T, class S>
void compare(batch<T, S>& all, errors& largest) {
  kit::succeeds<Device>(all.primitive());
  REQUIRE(all.exactly_written());
  std::size_t const vocabulary = std::size_t(all.logits.cols());
  for (index_t i = 0; i < all.tokens.count(); ++i) {
    oracle::vector const z = all.row(i);
    largest.maximum.absolute(all.maximum(i), oracle::maximum(z));
    for (int c = 0; c < 3; ++c)
      largest.partition.relative(all.partition[c](i), oracle::partition(z, all.tau(c, i)));
  }
  for (int c = 0; c < 2; ++c)
    for (index_t b = 0; b < all.tokens.sequences(); ++b) {
      oracle::vector sum(vocabulary, 0);
      for (index_t i = all.tokens.offset[std::size_t(b)]; i < all.tokens.offset[std::size_t(b) + 1];
           ++i) {
        oracle::vector const p = oracle::softmax(all.row(i), all.tau(c, i));
        for (std::size_t v = 0; v < vocabulary; ++v) sum[v] += p[v];
      }
      for (std::size_t v = 0; v < vocabulary; ++v) {
        oracle::number const error = std::fabs(all.mass[c](b, index_t(v)) - sum[v]);
        oracle::number const underflow = oracle::number(std::numeric_limits<T>::min()) *
                                         oracle::number(all.tokens.view().count(b));
        oracle::number const summing = oracle::number(std::numeric_limits<T>::epsilon()) / 2 *
                                       oracle::number(all.tokens.view().count(b)) * sum[v];
        if (!(error <= underflow + summing))
          largest.mass.add((error - underflow - summing) / sum[v]);
      }
    }
}
template <class T>
void check(errors const& largest) {
  bool const narrow = std::is_same_v<T, float>;
  CHECK(largest.maximum.value == 0);
  CHECK(largest.partition.value <= (narrow ? 1e-6 : 1e-13));
  CHECK(largest.mass.value <= (narrow ? 1e-5 : 1e-13));
}
double const a_nan = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEMPLATE_LIST_TEST_CASE("maximum, partition and mass are the oracle's at every length and layout",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  errors largest;
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T, S> all(kit::tokens({4, 0, 1, 7}, true), vocabulary, where);
      all.draw(std::uint64_t(vocabulary), 3, 0);
      compare<typename TestType::device>(all, largest);
    }
  check<T>(largest);
}

TEMPLATE_LIST_TEST_CASE(
    "rows longer than a cache, on any number of threads, keep accuracy and ties",
    "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  index_t const vocabulary = 40001, twin = 39990;
  batch<T, S> all(kit::tokens({5}), vocabulary), again(kit::tokens({5}), vocabulary);
  for (auto* one : {&all, &again}) {
    one->draw(3, 3, 0);
    for (index_t const r : one->tokens.row) one->logits(r, twin) = one->logits(r, 3);
  }
  errors largest;
  compare<typename TestType::device>(all, largest);
  check<T>(largest);
  for (int const threads : {1, 2, 3, 4, 8}) {
    kit::thread_count const set(threads);
    kit::succeeds<typename TestType::device>(again.primitive());
    for (int c = 0; c < 2; ++c) {
      CHECK(again.mass[c].same_bits(all.mass[c]));
      CHECK(again.mass[c](0, twin) == again.mass[c](0, 3));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("logits far from zero, peaked or masked lose no accuracy",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  struct {
    double scale, shift, masked;
  } const kinds[] = {{3, 1000, 0}, {3, -1000, 0}, {20, 0, 0}, {80, 0, 0}, {3, 0, 0.5}, {0, 7, 0}};
  for (auto const& kind : kinds) {
    errors largest;
    batch<T, S> all(kit::tokens({5, 3}), 129);
    all.draw(11, kind.scale, kind.shift);
    random_source random(12);
    for (index_t const r : all.tokens.row)
      for (index_t v = 0; v < 129; ++v)
        if (random.uniform() < kind.masked) all.logits(r, v) = store_as<S>(-infinity<T>);
    compare<typename TestType::device>(all, largest);
    CAPTURE(kind.scale, kind.shift, kind.masked);
    check<T>(largest);
  }
}

TEMPLATE_LIST_TEST_CASE(
    "logits far above a row's beginning, or after a masked one, are as accurate",
    "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (double const above : {25.0, 70.0, 200.0, 3000.0}) {
    batch<T, S> all(kit::tokens({2, 3}), 5000);
    all.draw(17, 3, 0);
    for (index_t i = 0; i < all.tokens.count(); ++i)
      for (index_t v = 0; v < 1000 + 900 * i; ++v) {
        auto& z = all.logits(all.tokens.row[std::size_t(i)], v);
        z = i % 2 == 0 ? store_as<S>(T(load_as<T>(z) - T(above))) : store_as<S>(-infinity<T>);
      }
    errors largest;
    compare<typename TestType::device>(all, largest);
    check<T>(largest);
  }
}

TEMPLATE_LIST_TEST_CASE("rows that rise or fall steadily are as accurate", "[vocabulary_mass]",
                        every_storage) {
  using T = typename TestType::scalar;
  for (double const range : {0.5, 5.0, 60.0, 900.0}) {
    batch<T, typename TestType::storage> all(kit::tokens({2}), 20001);
    for (index_t i = 0; i < 2; ++i)
      for (index_t v = 0; v < 20001; ++v)
        all.logits(all.tokens.row[std::size_t(i)], v) =
            store_as<typename TestType::storage>(T((i == 0 ? range : -range) * double(v) / 20001));
    errors largest;
    compare<typename TestType::device>(all, largest);
    CAPTURE(range);
    check<T>(largest);
  }
}

TEMPLATE_LIST_TEST_CASE("temperatures of any ratio are independent of each other",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  errors largest;
  double const temperatures[][3] = {{1, 2, 4}, {4, 2, 1},       {2, 1, 0},
                                    {1, 1, 1}, {0.7, 1.5, 1.4}, {3, 0, 0}};
  for (auto const& tau : temperatures) {
    batch<T, typename TestType::storage> all(kit::tokens({3, 4}), 65);
    for (int c = 0; c < 3; ++c) all.one[c] = T(tau[c]);
    all.draw(21, 4, 0);
    compare<typename TestType::device>(all, largest);
  }
  check<T>(largest);
}

TEMPLATE_LIST_TEST_CASE("rows of -inf and absent tokens have partition 0 and no mass",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (index_t const vocabulary : {1, 8, 33}) {
    batch<T, S> all(kit::tokens({3}, true), vocabulary);  // the second is absent
    all.draw(3, 1, 0);
    for (index_t v = 0; v < vocabulary; ++v)
      all.logits(all.tokens.row[0], v) = store_as<S>(-infinity<T>);
    errors largest;
    compare<typename TestType::device>(all, largest);
    check<T>(largest);
    for (index_t const i : {0, 1}) {
      CHECK(all.maximum(i) == -infinity<T>);
      CHECK(all.partition[0](i) == 0);
      CHECK(all.partition[1](i) == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a batch without sequences, without tokens or without columns is ordinary",
                        "[vocabulary_mass]", every_storage) {
  using batch = batch<typename TestType::scalar, typename TestType::storage>;
  errors largest;
  for (auto const& lengths : {std::vector<index_t>{}, {0}, {0, 0}, {3}})
    for (index_t const vocabulary : {0, 5}) {
      batch all(kit::tokens(lengths), vocabulary);
      all.draw(3, 1, 0);
      compare<typename TestType::device>(all, largest);
    }
  check<typename TestType::scalar>(largest);
}

TEMPLATE_LIST_TEST_CASE("a NaN or +inf anywhere in a row is answered with its place",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (index_t const vocabulary : {1, 7, 8, 33, 129})
    for (double const bad : {a_nan, std::numeric_limits<double>::infinity()})
      for (bool const masked : {false, true})  // nothing but -inf beside it
        for (index_t v = 0; v < vocabulary; v += 1 + vocabulary / 11) {
          batch<T, S> all(kit::tokens({2, 3}), vocabulary);
          all.draw(5, 1, 0);
          index_t const row = all.tokens.row[3];
          for (index_t w = 0; masked && w < vocabulary; ++w)
            all.logits(row, w) = store_as<S>(-infinity<T>);
          all.logits(row, v) = store_as<S>(T(bad));
          status const s = kit::run<typename TestType::device>(all.primitive());
          CAPTURE(vocabulary, bad, masked, v);
          REQUIRE(int(s.code) == int(fault::data));
          REQUIRE(s.argument == std::string("vocabulary_mass.logits"));
          REQUIRE(s.row == row);
          REQUIRE(s.column == v);
        }
}

TEMPLATE_LIST_TEST_CASE("equal columns have the same mass bit by bit wherever they lie",
                        "[vocabulary_mass]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (index_t const vocabulary : kit::lengths_around_lanes) {
    batch<T, S> all(kit::tokens({9, 40}), vocabulary);
    all.draw(7, 3, 0);
    for (index_t const r : all.tokens.row)  // every third column is column 0
      for (index_t v = 0; v < vocabulary; v += 3) all.logits(r, v) = all.logits(r, 0);
    kit::succeeds<typename TestType::device>(all.primitive());
    index_t differing = 0;
    for (auto& mass : all.mass)
      for (index_t b = 0; b < 2; ++b)
        for (index_t v = 0; v < vocabulary; v += 3) differing += mass(b, v) != mass(b, 0);
    CHECK(differing == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("4096 tokens do not lose small columns", "[vocabulary_mass]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (bool const alike : {false, true}) {  // the same row again and again: errors in one direction
    batch<T, S> all(kit::tokens({4096}), 37);
    all.draw(13, alike ? 0 : 1, -2);
    for (index_t const r : all.tokens.row) {
      all.logits(r, 3) = store_as<S>(T(9));      // takes nearly all
      all.logits(r, 20) = store_as<S>(T(-7));    // 1e-7 a token
      all.logits(r, 36) = store_as<S>(T(-3.3));  // 4e-6 a token, in the tail
    }
    errors largest;
    compare<typename TestType::device>(all, largest);
    CAPTURE(alike);
    check<T>(largest);
  }
}

TEMPLATE_LIST_TEST_CASE("vocabulary_mass computes as many temperatures as are given",
                        "[vocabulary_mass]", every_device) {
  using T = typename TestType::scalar;
  for (int const given : {1, 2, 3}) {
    batch<T, T> all(kit::tokens({2, 1}), 9);
    all.draw(1, 1, 0);
    auto p = all.primitive();
    for (int c = given; c < 3; ++c) p.at[c] = {};
    kit::succeeds<typename TestType::device>(p);
    for (int c = 0; c < 3; ++c) {
      CHECK(all.partition[c].exactly_written() == (c < given));
      CHECK(all.partition[c].untouched() == (c >= given));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("vocabulary_mass: wrong arguments are named and nothing is written",
                        "[vocabulary_mass]", every_device) {
  using T = typename TestType::scalar;
  batch<T, T> all(kit::tokens({2, 1}), 9);
  all.draw(1, 1, 0);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), code, argument, change);
  };
  T const numbers[] = {1, 1, 0};
  refuses(fault::shape, "vocabulary_mass.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses(fault::shape, "vocabulary_mass.logits", [](auto& p) { p.logits.rows = -1; });
  refuses(fault::shape, "vocabulary_mass.tokens", [](auto& p) { p.logits.rows = 2; });
  refuses(fault::shape, "vocabulary_mass.tokens", [](auto& p) { p.tokens.longest = 1; });
  refuses(fault::shape, "vocabulary_mass.maximum", [](auto& p) { p.maximum.size = 2; });
  refuses(fault::shape, "vocabulary_mass.maximum", [](auto& p) { p.maximum.data = nullptr; });
  // One that is left out, or given by half.
  refuses(fault::shape, "vocabulary_mass.at.partition", [](auto& p) { p.at[1] = {}; });
  refuses(fault::shape, "vocabulary_mass.at.partition", [](auto& p) {
    p.at[1] = p.at[2] = {};
    p.at[1].temperature = T(2);
  });
  refuses(fault::shape, "vocabulary_mass.at.partition", [](auto& p) { p.at[2].partition = {}; });
  for (int c = 0; c < 3; ++c) {
    refuses(fault::shape, "vocabulary_mass.at.partition",
            [&](auto& p) { p.at[c].partition.size = 4; });
    refuses(fault::shape, "vocabulary_mass.at.temperature", [&](auto& p) {
      p.at[c].temperature = host::vector<T const>{numbers, 2};
    });
    for (T const bad : {T(0), T(-1), infinity<T>, T(a_nan)})
      refuses(fault::value, "vocabulary_mass.at.temperature",
              [&](auto& p) { p.at[c].temperature = bad; });
  }
  refuses(fault::shape, "vocabulary_mass.at.mass", [](auto& p) { p.at[0].mass.cols = 8; });
  refuses(fault::shape, "vocabulary_mass.at.mass", [](auto& p) { p.at[1].mass.rows = 1; });
  refuses(fault::shape, "vocabulary_mass.at.mass", [](auto& p) { p.at[1].mass.row_stride = 5; });
  CHECK(all.untouched());
}

TEMPLATE_LIST_TEST_CASE("a temperature too small, or not positive for one token, is answered",
                        "[vocabulary_mass]", every_device) {
  using T = typename TestType::scalar;
  batch<T, T> all(kit::tokens({2, 1}), 9);
  all.draw(1, 1, 0);
  for (T const bad : {T(0), T(-1), T(a_nan)}) {
    all.temperature(2) = bad;
    CAPTURE(bad);
    CHECK_FALSE(kit::run<typename TestType::device>(all.primitive()).ok());
  }
  all.temperature(2) = 1;
  auto p = all.primitive();
  p.at[0].temperature = std::numeric_limits<T>::denorm_min();  // its inverse is infinite
  bool const ok = kit::run<typename TestType::device>(p).ok();
  CHECK((!ok || (all.exactly_written() && all.partition[0](0) == 1)));
}
