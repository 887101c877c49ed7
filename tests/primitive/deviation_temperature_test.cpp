#include "mlot/primitive/deviation_temperature.hpp"

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
  kit::tokens tokens{{3, 0, 2}, true};
  kit::framed<S> logits;
  kit::framed<T> mean{tokens.count()}, deviation{tokens.count()}, temperature{tokens.count()};
  kit::framed<T> gradient;
  T base = T(2), offset = T(1e-4);
  batch(index_t vocabulary, double shift, kit::layout where = {1, 3, 1})
      : logits(tokens.rows, vocabulary, where), gradient(tokens.rows, vocabulary, where) {
    random_source random{std::uint64_t(vocabulary)};
    for (index_t const r : tokens.row)
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v)
        logits(r, v) = store_as<S>(v % 6 == 5 ? -infinity<T> : T(shift + 3 * random.normal()));
    kit::fill(gradient, [&](index_t, index_t v) { return v % 6 == 5 ? T(0) : T(random.normal()); });
  }
  deviation_temperature<T, S, host_memory> primitive() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .base = base,
            .offset = offset,
            .mean = mean.vector(),
            .deviation = deviation.vector(),
            .temperature = temperature.vector()};
  }
  deviation_temperature_gradient<T, S, T, host_memory> backward() {
    return {.of = primitive(), .gradient = gradient.matrix()};
  }
  /// The logits that are not masked.
  oracle::vector row(index_t i) {
    oracle::vector z;
    index_t const r = tokens.row[std::size_t(i)];
    for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
      if (T const x = load_as<T>(logits(r, v)); x > -infinity<T>) z.push_back(x);
    return z;
  }
};
struct moments {
  oracle::number mean = 0, deviation = 0;
  explicit moments(oracle::vector const& z) {
    if (z.empty()) return;
    mean = oracle::sum(z) / oracle::number(z.size());
    oracle::number squares = 0;
    for (oracle::number const x : z) squares += (x - mean) * (x - mean);
    if (z.size() > 1) deviation = std::sqrt(squares / oracle::number(z.size() - 1));
  }
};
template <class T>
constexpr double allowed = std::is_same_v<T, float> ? 1e-5 : 1e-12;
}  // namespace

TEMPLATE_LIST_TEST_CASE("mean, deviation and temperature are the oracle's",
                        "[deviation_temperature]", every_storage) {
  using T = typename TestType::scalar;
  for (double const shift : {0., 100.}) {
    kit::largest_error mean, deviation, temperature;
    for (index_t const vocabulary : kit::lengths_around_lanes)
      for (kit::layout const where : kit::every_layout) {
        batch<T, typename TestType::storage> all(vocabulary, shift, where);
        kit::succeeds<typename TestType::device>(all.primitive());
        REQUIRE(all.mean.exactly_written());
        REQUIRE(all.deviation.exactly_written());
        REQUIRE(all.temperature.exactly_written());
        for (index_t i = 0; i < all.tokens.count(); ++i) {
          moments const should(all.row(i));
          mean.add(std::fabs(all.mean(i) - should.mean) / (3 + std::fabs(should.mean)));
          deviation.relative(all.deviation(i), should.deviation);
          bool const absent = all.tokens.row[std::size_t(i)] < 0;
          temperature.relative(all.temperature(i),
                               absent ? all.base : all.base * (should.deviation + all.offset));
        }
      }
    CAPTURE(shift);
    CHECK(mean.value <= allowed<T>);
    CHECK(deviation.value <= allowed<T>);
    CHECK(temperature.value <= allowed<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("rows of equal, of one or of no finite logits have deviation 0",
                        "[deviation_temperature]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  batch<T, S> all(17, 0);
  for (index_t v = 0; v < 17; ++v) {
    all.logits(all.tokens.row[0], v) = store_as<S>(T(0.75));
    all.logits(all.tokens.row[2], v) = store_as<S>(v == 16 ? T(3) : -infinity<T>);
    all.logits(all.tokens.row[3], v) = store_as<S>(-infinity<T>);
  }
  kit::succeeds<typename TestType::device>(all.primitive());
  for (index_t const i : {0, 2, 3}) {
    CHECK(all.deviation(i) == 0);
    CHECK(all.temperature(i) == T(2) * T(1e-4));
  }
  CHECK(all.temperature(1) == 2);  // absent
  batch<T, S> before(17, 0);
  kit::succeeds<typename TestType::device>(all.backward());
  for (index_t const i : {0, 2, 3})
    for (index_t v = 0; v < 17; ++v)
      REQUIRE(all.gradient(all.tokens.row[std::size_t(i)], v) ==
              before.gradient(all.tokens.row[std::size_t(i)], v));
}

TEMPLATE_LIST_TEST_CASE("the completed gradient is what central differences find",
                        "[deviation_temperature]", every_device) {
  // F(z) = f(z / temperature(z)) for a smooth f; what is completed held the temperature constant.
  using T = typename TestType::scalar;
  auto const f = [](oracle::vector const& x) {
    oracle::number sum = 0;
    for (std::size_t v = 0; v < x.size(); ++v) sum += std::sin(x[v] + oracle::number(v));
    return sum;
  };
  kit::norm_error error;
  for (index_t const vocabulary : {2, 5, 16, 33, 129}) {
    batch<T, T> all(vocabulary, 0);
    kit::succeeds<typename TestType::device>(all.primitive());
    for (index_t i = 0; i < all.tokens.count(); ++i)
      if (index_t const r = all.tokens.row[std::size_t(i)]; r >= 0)
        for (index_t v = 0, n = 0; v < vocabulary; ++v)
          if (v % 6 != 5) {
            all.gradient(r, v) =
                T(std::cos(all.logits(r, v) / all.temperature(i) + T(n)) / all.temperature(i));
            ++n;
          }
    kit::succeeds<typename TestType::device>(all.backward());
    for (index_t i = 0; i < all.tokens.count(); ++i) {
      index_t const r = all.tokens.row[std::size_t(i)];
      oracle::vector z = all.row(i);
      auto const value = [&] {
        oracle::vector x = z;
        for (auto& entry : x) entry /= all.base * (moments(z).deviation + all.offset);
        return f(x);
      };
      std::size_t n = 0;
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v) {
        if (v % 6 == 5) {
          REQUIRE(all.gradient(r, v) == 0);
          continue;
        }
        oracle::number const x = z[n], h = 1e-6L;
        z[n] = x + h;
        oracle::number const above = value();
        z[n] = x - h;
        oracle::number const below = value();
        z[n++] = x;
        error.add(all.gradient(r, v), (above - below) / (2 * h));
      }
    }
  }
  CHECK(error.value() <= (std::is_same_v<T, float> ? 1e-5 : 1e-10));
}

TEMPLATE_LIST_TEST_CASE("long rows are as accurate, forward and back", "[deviation_temperature]",
                        every_storage) {
  using T = typename TestType::scalar;
  for (kit::layout const where : kit::every_layout) {
    batch<T, typename TestType::storage> all(5003, 1, where), before(5003, 1, where);
    kit::succeeds<typename TestType::device>(all.primitive());
    kit::succeeds<typename TestType::device>(all.backward());
    kit::largest_error deviation;
    kit::norm_error gradient;
    for (index_t i = 0; i < all.tokens.count(); ++i) {
      index_t const r = all.tokens.row[std::size_t(i)];
      oracle::vector const z = all.row(i);
      moments const should(z);
      deviation.relative(all.deviation(i), should.deviation);
      oracle::number moment = 0;
      std::size_t n = 0;
      for (index_t v = 0; r >= 0 && v < 5003; ++v)
        if (v % 6 != 5) moment += before.gradient(r, v) * z[n++];
      n = 0;
      for (index_t v = 0; r >= 0 && v < 5003; ++v)
        if (v % 6 != 5)
          gradient.add(
              all.gradient(r, v),
              before.gradient(r, v) - moment * (z[n++] - should.mean) /
                                          ((should.deviation + all.offset) * should.deviation *
                                           oracle::number(z.size() - 1)));
        else
          REQUIRE(all.gradient(r, v) == 0);
    }
    CHECK(deviation.value <= allowed<T>);
    CHECK(gradient.value() <= allowed<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of deviation_temperature are named and nothing is written",
                        "[deviation_temperature]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  batch<T, T> all(9, 0);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(all.primitive(), code, argument, change);
    kit::refuses<Device>(all.backward(), code, argument, [&](auto& p) { change(p.of); });
  };
  refuses(fault::shape, "deviation_temperature.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses(fault::shape, "deviation_temperature.tokens", [](auto& p) { p.tokens.longest = 1; });
  refuses(fault::value, "deviation_temperature.base", [](auto& p) { p.base = 0; });
  refuses(fault::value, "deviation_temperature.offset", [](auto& p) { p.offset = -1; });
  refuses(fault::shape, "deviation_temperature.mean", [](auto& p) { p.mean.size = 1; });
  refuses(fault::shape, "deviation_temperature.deviation",
          [](auto& p) { p.deviation.data = nullptr; });
  refuses(fault::shape, "deviation_temperature.temperature",
          [](auto& p) { p.temperature.size = 9; });
  kit::refuses<Device>(all.backward(), fault::shape, "deviation_temperature_gradient.gradient",
                       [](auto& p) { p.gradient.cols = 8; });
  CHECK(all.mean.untouched());
  CHECK(all.deviation.untouched());
  CHECK(all.temperature.untouched());
}
