#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/primitive/gather_columns.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
using namespace mlot;

namespace {
/// A batch of three sequences, one of them empty, with k columns each, some of them missing.
template <class T, class S>
struct batch {
  kit::tokens tokens{{3, 0, 5}, true};
  kit::framed<S> logits;
  kit::framed<index_t> ids;
  kit::framed<T> table;
  batch(index_t vocabulary, index_t k, kit::layout where = {1, 3, 1})
      : logits(tokens.rows, vocabulary, where),
        ids(tokens.sequences(), k, where),
        table(tokens.count(), k, where) {
    random_source random{std::uint64_t(vocabulary + k)};
    kit::fill(logits, [&](index_t, index_t) { return store_as<S>(T(4 * random.normal())); });
    kit::fill(ids, [&](index_t, index_t l) { return l % 5 == 4 ? -1 : random.below(vocabulary); });
  }
  gather_columns<T, S, host_memory> primitive() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .ids = ids.matrix(),
            .table = table.matrix()};
  }
};

/// Logits of a whole vocabulary, of which the first k columns are the gathered ones.
template <class T>
struct softmax_rows {
  std::vector<oracle::vector> z;
  kit::framed<T> logits, maximum, partition, temperature, probability, log_probability;
  softmax_rows(index_t rows, index_t k, double scale, kit::layout where = {1, 3, 1})
      : logits(rows, k, where),
        maximum(rows),
        partition(rows),
        temperature(rows),
        probability(rows, k, where),
        log_probability(rows, k, where) {
    random_source random{std::uint64_t(rows * 1000 + k)};
    for (index_t i = 0; i < rows; ++i) {
      oracle::vector row;
      for (index_t v = 0; v < k + 20; ++v)
        row.push_back(v % 6 == 5 ? -oracle::infinity : T(scale * random.normal()));
      for (index_t l = 0; l < k; ++l) logits(i, l) = T(row[std::size_t(l)]);
      temperature(i) = T(0.5) + T(i % 3);
      maximum(i) = T(oracle::maximum(row));
      partition(i) = T(oracle::partition(row, temperature(i)));
      z.push_back(row);
    }
  }
  column_probabilities<T, host_memory> primitive() {
    return {.logits = logits.matrix(),
            .maximum = maximum.vector(),
            .partition = partition.vector(),
            .temperature = host::vector<T const>(temperature.vector()),
            .probability = probability.matrix(),
            .log_probability = log_probability.matrix()};
  }
};
/// Errors in eps max(1, |log p|). The oracle takes the partition as it was given, rounded to T. A
/// probability below T's smallest normal number may be 0.
template <class T>
struct table_errors {
  kit::largest_error probability, logarithm;
  void add(softmax_rows<T>& rows) {
    T const eps = std::numeric_limits<T>::epsilon();
    for (index_t i = 0; i < rows.logits.rows(); ++i)
      for (index_t l = 0; l < rows.logits.cols(); ++l) {
        oracle::number const z = rows.z[std::size_t(i)][std::size_t(l)];
        oracle::number const log_p = (z - rows.maximum(i)) / rows.temperature(i) -
                                     std::log(oracle::number(rows.partition(i)));
        oracle::number const p = std::exp(log_p);
        if (rows.log_probability(i, l) != log_p)
          logarithm.add(std::fabs(rows.log_probability(i, l) - log_p) /
                        (eps * std::max<oracle::number>(1, std::fabs(log_p))));
        oracle::number const error = std::fabs(rows.probability(i, l) - p);
        if (!(error <= std::numeric_limits<T>::min()))
          probability.add(error / (eps * p * std::max<oracle::number>(1, std::fabs(log_p))));
      }
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("gathered columns are the logits, or -inf where there is none",
                        "[column_tables]", every_storage) {
  using T = typename TestType::scalar;
  for (index_t const k : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T, typename TestType::storage> all(97, k, where);
      kit::succeeds<typename TestType::device>(all.primitive());
      REQUIRE(all.table.exactly_written());
      index_t differing = 0;
      for (index_t i = 0; i < all.tokens.count(); ++i)
        for (index_t l = 0; l < k; ++l) {
          index_t const r = all.tokens.row[std::size_t(i)];
          index_t const v = all.ids(all.tokens.sequence_of(i), l);
          T const expected = r < 0 || v < 0 ? -infinity<T> : load_as<T>(all.logits(r, v));
          differing += all.table(i, l) != expected;
        }
      REQUIRE(differing == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("an id past the vocabulary is answered with its place", "[column_tables]",
                        every_storage) {
  using T = typename TestType::scalar;
  for (index_t const bad : {97, -2, 1 << 30}) {
    batch<T, typename TestType::storage> all(97, 9);
    all.ids(2, 6) = bad;
    status const s = kit::run<typename TestType::device>(all.primitive());
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == std::string("gather_columns.ids"));
    CHECK(s.value == double(bad));
    CHECK(s.row == 2);
    CHECK(s.column == 6);
    CHECK(all.table.untouched());
  }
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of gather_columns are named and nothing is written",
                        "[column_tables]", every_device) {
  batch<typename TestType::scalar, typename TestType::scalar> all(97, 9);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("gather_columns.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses("gather_columns.tokens", [](auto& p) { p.logits.rows = 3; });
  refuses("gather_columns.tokens", [](auto& p) { p.tokens.longest = 9; });
  refuses("gather_columns.ids", [](auto& p) { p.ids.rows = 2; });
  refuses("gather_columns.ids", [](auto& p) { p.ids.data = nullptr; });
  refuses("gather_columns.table", [](auto& p) { p.table.cols = 8; });
  refuses("gather_columns.table", [](auto& p) { p.table.rows = 7; });
  refuses("gather_columns.table", [](auto& p) { p.table.data = nullptr; });
  CHECK(all.table.untouched());
}

TEMPLATE_LIST_TEST_CASE("probabilities and their logarithms are within 4 eps max(1, |log p|)",
                        "[column_tables]", every_device) {
  using T = typename TestType::scalar;
  for (double const scale : {0.1, 1., 3., 10., 40.}) {
    table_errors<T> errors;
    for (index_t const k : kit::lengths_around_lanes)
      for (kit::layout const where : kit::every_layout) {
        softmax_rows<T> rows(5, k, scale, where);
        kit::succeeds<typename TestType::device>(rows.primitive());
        REQUIRE(rows.probability.exactly_written());
        REQUIRE(rows.log_probability.exactly_written());
        errors.add(rows);
      }
    CAPTURE(scale);
    CHECK(errors.probability.value <= 4);
    CHECK(errors.logarithm.value <= 4);
  }
}

TEMPLATE_LIST_TEST_CASE("masked logits and rows without mass have probability 0 and logarithm -inf",
                        "[column_tables]", every_device) {
  using T = typename TestType::scalar;
  for (index_t const k : kit::lengths_around_lanes) {
    softmax_rows<T> rows(2, k, 1);
    for (index_t l = 0; l < k; ++l) rows.logits(1, l) = -infinity<T>;
    rows.maximum(1) = -infinity<T>;
    rows.partition(1) = 0;
    kit::succeeds<typename TestType::device>(rows.primitive());
    index_t wrong = 0;
    for (index_t l = 0; l < k; ++l)
      for (index_t const i : {0, 1}) {
        bool const lacks = rows.logits(i, l) == -infinity<T>;
        wrong += lacks != (rows.probability(i, l) == 0);
        wrong += lacks != (rows.log_probability(i, l) == -infinity<T>);
      }
    REQUIRE(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("a probability below the smallest number keeps its logarithm",
                        "[column_tables]", every_device) {
  using T = typename TestType::scalar;
  T const z[] = {0, T(-1e4)}, maximum = 0, partition = 1;
  kit::framed<T> p(1, 2), log_p(1, 2);
  kit::succeeds<typename TestType::device>(
      column_probabilities<T, host_memory>{.logits = {z, 1, 2, 2},
                                           .maximum = {&maximum, 1},
                                           .partition = {&partition, 1},
                                           .probability = p.matrix(),
                                           .log_probability = log_p.matrix()});
  CHECK(p(0) == 1);
  CHECK(p(1) == 0);
  CHECK(log_p(0) == 0);
  CHECK(log_p(1) == T(-1e4));
}

TEMPLATE_LIST_TEST_CASE("either output of column_probabilities may be left out", "[column_tables]",
                        every_device) {
  using T = typename TestType::scalar;
  softmax_rows<T> both(3, 17, 2), one(3, 17, 2), other(3, 17, 2);
  kit::succeeds<typename TestType::device>(both.primitive());
  auto p = one.primitive(), q = other.primitive();
  p.log_probability = {};
  q.probability = {};
  kit::succeeds<typename TestType::device>(p);
  kit::succeeds<typename TestType::device>(q);
  CHECK(one.probability.same_bits(both.probability));
  CHECK(one.log_probability.untouched());
  CHECK(other.log_probability.same_bits(both.log_probability));
  CHECK(other.probability.untouched());
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of column_probabilities are named and nothing is written",
                        "[column_tables]", every_device) {
  using T = typename TestType::scalar;
  softmax_rows<T> rows(3, 9, 1);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(rows.primitive(), code, argument, change);
  };
  refuses(fault::shape, "column_probabilities.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses(fault::shape, "column_probabilities.maximum", [](auto& p) { p.maximum.size = 2; });
  refuses(fault::shape, "column_probabilities.partition", [](auto& p) { p.partition.size = 4; });
  refuses(fault::shape, "column_probabilities.temperature",
          [](auto& p) { p.temperature.each.size = 2; });
  refuses(fault::value, "column_probabilities.temperature", [](auto& p) { p.temperature = T(0); });
  refuses(fault::value, "column_probabilities.temperature", [](auto& p) { p.temperature = T(-2); });
  refuses(fault::shape, "column_probabilities.probability",
          [](auto& p) { p.probability.cols = 8; });
  refuses(fault::shape, "column_probabilities.log_probability",
          [](auto& p) { p.log_probability.rows = 2; });
  CHECK(rows.probability.untouched());
  CHECK(rows.log_probability.untouched());
}
