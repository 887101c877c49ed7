#include "primitive/logit_gradient_batch.hpp"
using namespace mlot;

namespace {
double const a_nan = std::numeric_limits<double>::quiet_NaN();
}

TEMPLATE_LIST_TEST_CASE("every row of the gradient sums to 0", "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  for (index_t const vocabulary : kit::lengths_around_lanes) {
    kit::gradient_batch<T, T> all(vocabulary, 6, T(1), T(2));
    for (index_t const r : all.tokens.row)  // a masked label keeps its softmax only
      if (r >= 0 && all.label(r) % 9 == 7) all.label(r) = 0;
    kit::succeeds<typename TestType::device>(all.primitive());
    kit::largest_error error;
    for (index_t const r : all.tokens.row) {
      oracle::number sum = 0, size = 0;
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v) {
        sum += all.gradient(r, v);
        size += std::fabs(all.gradient(r, v));
      }
      if (size > 0) error.add(std::fabs(sum) / std::max<oracle::number>(size, 1));
    }
    REQUIRE(error.value <= (std::is_same_v<T, float> ? 1e-6 : 1e-14));
  }
}

TEMPLATE_LIST_TEST_CASE("the gradient is what central differences of the composed function find",
                        "[logit_gradient]", every_device) {
  // F(z) = sum of A o p + B o log p over the columns + weight CE; A, B are the upstream gradients
  using Device = typename TestType::device;
  for (auto const& tau : {std::pair{1., 1.}, {1., 2.}, {0.8, 1.9}}) {
    kit::gradient_batch<double, double> all(26, 6, tau.first, tau.second);
    kit::succeeds<Device>(all.primitive());
    kit::norm_error error;
    for (index_t i = 0; i < all.tokens.count(); ++i) {
      index_t const r = all.tokens.row[std::size_t(i)];
      if (r < 0) continue;
      auto const value = [&](oracle::vector const& z) {
        oracle::number sum = 0;
        for (int c = 0; c < 2; ++c) {
          auto const log_p = oracle::log_softmax(z, all.temperature[c](i));
          for (index_t l = 0; l < 6; ++l) {
            index_t const v = all.ids[c](all.tokens.sequence_of(i), l);
            if (v < 0 || std::isinf(log_p[std::size_t(v)])) continue;
            sum += all.table_gradient[c](i, l) * std::exp(log_p[std::size_t(v)]) +
                   all.log_gradient[c](i, l) * log_p[std::size_t(v)];
          }
        }
        if (all.label(r) != -100 && !std::isinf(z[std::size_t(all.label(r))]))
          sum += all.weight * oracle::cross_entropy(z, std::size_t(all.label(r)));
        return sum;
      };
      if (all.label(r) != -100 && all.label(r) % 9 == 7) continue;  // masked: infinite
      oracle::vector z = all.row(i);
      for (index_t v = 0; v < 26; ++v) {
        oracle::number const x = z[std::size_t(v)], h = 1e-6L;
        z[std::size_t(v)] = x + h;
        oracle::number const above = value(z);
        z[std::size_t(v)] = x - h;
        oracle::number const below = value(z);
        z[std::size_t(v)] = x;
        error.add(all.gradient(r, v), (above - below) / (2 * h));
      }
    }
    CAPTURE(tau.first, tau.second);
    CHECK(error.norm > 0);
    CHECK(error.value() <= 1e-10);
  }
}

TEMPLATE_LIST_TEST_CASE("logits shifted by a constant have the same gradient", "[logit_gradient]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, T> all(65, 6, T(1), T(2)), shifted(65, 6, T(1), T(2));
  for (auto* const batch : {&all, &shifted}) {
    kit::fill(batch->logits, [&](index_t r, index_t v) {
      return T((r * 7 + v * 5) % 16) / 4 + T(batch == &shifted ? 512 : 0);
    });
    random_source random(3);
    batch->derive(random);
    kit::succeeds<typename TestType::device>(batch->primitive());
  }
  CHECK(shifted.gradient.same_bits(all.gradient));
}

TEMPLATE_LIST_TEST_CASE("ignored labels and a weight of 0 are no labels", "[logit_gradient]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, T> none(33, 6, T(1), T(2)), ignored(33, 6, T(1), T(2)),
      weightless(33, 6, T(1), T(2));
  auto p = none.primitive();
  p.labels = {};
  p.label_partition = {};
  kit::fill(ignored.label, [](index_t, index_t) { return -7; });
  auto q = ignored.primitive();
  q.labels.ignore_index = -7;
  weightless.weight = 0;
  kit::succeeds<typename TestType::device>(p);
  kit::succeeds<typename TestType::device>(q);
  kit::succeeds<typename TestType::device>(weightless.primitive());
  CHECK(ignored.gradient.same_bits(none.gradient));
  kit::norm_error error;
  for (index_t r = 0; r < none.gradient.rows(); ++r)
    for (index_t v = 0; v < 33; ++v) error.add(weightless.gradient(r, v), none.gradient(r, v));
  CHECK(error.value() <= std::numeric_limits<T>::epsilon());
}

TEMPLATE_LIST_TEST_CASE("equal columns have equal gradients bit by bit wherever they lie",
                        "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  for (index_t const vocabulary : kit::lengths_around_lanes) {
    kit::gradient_batch<T, T> all(vocabulary, 0, T(1), T(2));
    for (index_t const r : all.tokens.row)
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v)
        if (v % 3 == 0) all.logits(r, v) = T(0.3);
    kit::fill(all.label, [&](index_t, index_t) { return vocabulary > 1 ? 1 : -100; });
    random_source random(3);
    all.derive(random);
    kit::succeeds<typename TestType::device>(all.primitive());
    index_t differing = 0;
    for (index_t const r : all.tokens.row)
      for (index_t v = 0; r >= 0 && v < vocabulary; v += 3)
        differing += all.gradient(r, v) != all.gradient(r, 0);
    REQUIRE(differing == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of logit_gradient are named and nothing is written",
                        "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, T> all(9, 4, T(1), T(2));
  auto const refuses = [&](char const* argument, auto change, fault code = fault::shape) {
    kit::refuses<typename TestType::device>(all.primitive(), code, argument, change);
  };
  refuses("logit_gradient.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses("logit_gradient.tokens", [](auto& p) { p.tokens.longest = 3; });
  refuses("logit_gradient.labels", [](auto& p) { p.labels.label.size = 3; });
  refuses("logit_gradient.maximum", [](auto& p) { p.maximum.size = 3; });
  refuses("logit_gradient.label_partition", [](auto& p) { p.label_partition.data = nullptr; });
  for (T const bad : {infinity<T>, T(a_nan)})
    refuses(
        "logit_gradient.cross_entropy_weight", [&](auto& p) { p.cross_entropy_weight = bad; },
        fault::value);
  refuses("logit_gradient.gradient", [](auto& p) { p.gradient.cols = 8; });
  refuses("logit_gradient.gradient", [](auto& p) { p.gradient.row_stride = 8; });
  for (int const c : {0, 1}) {
    refuses("logit_gradient.columns.temperature",
            [&](auto& p) { p.columns[c].temperature.each.size = 3; });
    refuses("logit_gradient.columns.partition", [&](auto& p) { p.columns[c].partition.size = 3; });
    refuses("logit_gradient.columns.ids", [&](auto& p) { p.columns[c].ids.rows = 3; });
    refuses("logit_gradient.columns.table_gradient",
            [&](auto& p) { p.columns[c].table_gradient.cols = 3; });
    refuses("logit_gradient.columns.log_gradient",
            [&](auto& p) { p.columns[c].log_gradient.rows = 3; });
    refuses("logit_gradient.columns.probability",
            [&](auto& p) { p.columns[c].probability.data = nullptr; });
  }
  // Half of a set is no set.
  auto const alone = [&](auto keep) {
    refuses("logit_gradient.columns.partition", [&](auto& p) {
      auto const given = p.columns[1];
      p.columns[1] = {};
      keep(p.columns[1], given);
    });
  };
  alone([](auto& to, auto const&) { to.temperature = T(2); });
  alone([](auto& to, auto const& from) { to.temperature = from.temperature; });
  alone([](auto& to, auto const& from) { to.ids = from.ids; });
  alone([](auto& to, auto const& from) { to.probability = from.probability; });
  alone([](auto& to, auto const& from) { to.table_gradient = from.table_gradient; });
  alone([](auto& to, auto const& from) { to.log_gradient = from.log_gradient; });
  refuses("logit_gradient.columns.partition", [](auto& p) { p.columns[0] = {}; });
  CHECK(all.gradient.untouched());
}

TEMPLATE_LIST_TEST_CASE("labels and ids past the vocabulary and temperatures below 0 are answered",
                        "[logit_gradient]", every_device) {
  using T = typename TestType::scalar;
  kit::gradient_batch<T, T> label(9, 4, T(1), T(2)), temperature(9, 4, T(1), T(2));
  auto const refuses = [&](auto& batch, fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(batch.primitive(), code, argument, change);
    CHECK(batch.gradient.untouched());
  };
  label.label(label.tokens.row[0]) = 9;
  refuses(label, fault::data, "logit_gradient.labels", [](auto&) {});
  for (T const bad : {T(0), T(-1), T(a_nan)})
    refuses(temperature, fault::value, "logit_gradient.columns.temperature",
            [&](auto& p) { p.columns[1].temperature = bad; });
  for (index_t const bad : {9, -2}) {  // memory behind the row is within the frame: no harm done
    kit::gradient_batch<T, T> ids(9, 4, T(1), T(2));
    ids.ids[1](3, 2) = bad;
    refuses(ids, fault::data, "logit_gradient.columns.ids", [](auto&) {});
  }
}
