#include "mlot/primitive/table_softmax.hpp"

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
template <class T>
struct batch {
  kit::framed<T> table, probability, log_probability, upstream, gradient;
  T temperature = T(0.5);
  batch(index_t rows, index_t k, double scale, kit::layout where = {1, 3, 1})
      : table(rows, k, where),
        probability(rows, k, where),
        log_probability(rows, k, where),
        upstream(rows, k, where),
        gradient(rows, k, where) {
    random_source random{std::uint64_t(k)};
    kit::fill(table, [&](index_t, index_t) { return T(scale * random.normal()); });
    kit::fill(upstream, [&](index_t, index_t) { return T(random.normal()); });
    kit::fill(gradient, [&](index_t, index_t) { return T(0.25); });  // is added to
  }
  table_softmax<T, host_memory> primitive() {
    return {.table = table.matrix(),
            .temperature = temperature,
            .probability = probability.matrix(),
            .log_probability = log_probability.matrix()};
  }
  table_softmax_gradient<T, host_memory> backward() {
    return {.probability = probability.matrix(),
            .upstream = upstream.matrix(),
            .temperature = temperature,
            .weight = T(1.5),
            .gradient = gradient.matrix()};
  }
  oracle::vector row(kit::framed<T>& m, index_t i) {
    oracle::vector x;
    for (index_t l = 0; l < m.cols(); ++l) x.push_back(m(i, l));
    return x;
  }
};
template <class T>
constexpr double allowed = std::is_same_v<T, float> ? 1e-6 : 1e-14;
}  // namespace

TEMPLATE_LIST_TEST_CASE("the inner softmax and its logarithm are the oracle's", "[table_softmax]",
                        every_device) {
  using T = typename TestType::scalar;
  for (double const scale : {0.01, 1., 3.}) {
    kit::largest_error p, log_p;
    for (index_t const k : kit::lengths_around_lanes)
      for (kit::layout const where : kit::every_layout) {
        batch<T> all(4, k, scale, where);
        kit::succeeds<typename TestType::device>(all.primitive());
        REQUIRE(all.probability.exactly_written());
        REQUIRE(all.log_probability.exactly_written());
        for (index_t i = 0; i < 4; ++i) {
          auto const expected = oracle::softmax(all.row(all.table, i), all.temperature);
          auto const logarithm = oracle::log_softmax(all.row(all.table, i), all.temperature);
          for (index_t l = 0; l < k; ++l) {
            auto const n = std::size_t(l);
            p.add(std::fabs(all.probability(i, l) - expected[n]));
            log_p.add(std::fabs(all.log_probability(i, l) - logarithm[n]) /
                      std::max<oracle::number>(1, std::fabs(logarithm[n])));
          }
        }
      }
    CAPTURE(scale);
    CHECK(p.value <= allowed<T>);
    CHECK(log_p.value <= allowed<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("the inner softmax's gradient is added, as the Jacobian says",
                        "[table_softmax]", every_device) {
  using T = typename TestType::scalar;
  kit::norm_error error;
  for (index_t const k : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T> all(4, k, 1, where);
      kit::succeeds<typename TestType::device>(all.primitive());
      kit::succeeds<typename TestType::device>(all.backward());
      REQUIRE(all.gradient.exactly_written());
      for (index_t i = 0; i < 4; ++i) {
        auto const p = all.row(all.probability, i), g = all.row(all.upstream, i);
        for (std::size_t l = 0; l < p.size(); ++l) {
          oracle::number sum = 0.25L;
          for (std::size_t q = 0; q < p.size(); ++q)
            sum += 1.5L / all.temperature * g[q] * p[q] * (oracle::number(q == l) - p[l]);
          error.add(all.gradient(i, index_t(l)), sum);
        }
      }
    }
  CHECK(error.value() <= allowed<T>);
}

TEMPLATE_LIST_TEST_CASE("the inner softmax is finite for any finite table", "[table_softmax]",
                        every_device) {
  using T = typename TestType::scalar;
  batch<T> all(3, 9, 1);
  all.table(0, 3) = T(-1e30);
  all.table(1, 4) = T(1e30);
  kit::succeeds<typename TestType::device>(all.primitive());
  for (index_t l = 0; l < 9; ++l) {
    CHECK(all.probability(1, l) == T(l == 4));
    CHECK(std::isfinite(all.log_probability(1, l)));
    CHECK(std::isfinite(all.probability(0, l)));
  }
}

TEMPLATE_LIST_TEST_CASE("either output of table_softmax may be left out", "[table_softmax]",
                        every_device) {
  using T = typename TestType::scalar;
  batch<T> both(3, 17, 1), one(3, 17, 1), other(3, 17, 1);
  kit::succeeds<typename TestType::device>(both.primitive());
  auto p = one.primitive(), q = other.primitive();
  p.log_probability = {};
  q.probability = {};
  kit::succeeds<typename TestType::device>(p);
  kit::succeeds<typename TestType::device>(q);
  CHECK(one.probability.same_bits(both.probability));
  CHECK(other.log_probability.same_bits(both.log_probability));
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of table_softmax are named and nothing is written",
                        "[table_softmax]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  batch<T> all(3, 4, 1);
  auto const forward = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(all.primitive(), code, argument, change);
  };
  auto const backward = [&](fault code, char const* argument, auto change) {
    kit::refuses<Device>(all.backward(), code, argument, change);
  };
  forward(fault::shape, "table_softmax.table", [](auto& p) { p.table.data = nullptr; });
  forward(fault::value, "table_softmax.temperature", [](auto& p) { p.temperature = 0; });
  forward(fault::shape, "table_softmax.probability", [](auto& p) { p.probability.cols = 3; });
  forward(fault::shape, "table_softmax.log_probability",
          [](auto& p) { p.log_probability.rows = 2; });
  backward(fault::shape, "table_softmax_gradient.probability",
           [](auto& p) { p.probability.data = nullptr; });
  backward(fault::value, "table_softmax_gradient.temperature", [](auto& p) { p.temperature = -1; });
  backward(fault::value, "table_softmax_gradient.weight", [](auto& p) { p.weight = infinity<T>; });
  backward(fault::shape, "table_softmax_gradient.upstream", [](auto& p) { p.upstream.cols = 3; });
  backward(fault::shape, "table_softmax_gradient.gradient", [](auto& p) { p.gradient.rows = 2; });
  CHECK(all.probability.untouched());
  CHECK(all.log_probability.untouched());
}
