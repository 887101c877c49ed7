#include "mlot/primitive/top_columns.hpp"

#include <vector>

#include "devices.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
template <class T>
oracle::vector row(host::matrix<T> m, index_t b) {
  oracle::vector x;
  for (index_t v = 0; v < m.cols; ++v) x.push_back(m(b, v));
  return x;
}
/// How many ids differ from the oracle's.
template <class Device, class T>
index_t differing(kit::framed<T>& mass, index_t k, kit::layout where = {}) {
  kit::framed<index_t> ids(mass.rows(), k, {where.skip, where.gap, 1});
  top_columns<T, host_memory> const p{.mass = mass.matrix(), .ids = ids.matrix()};
  kit::succeeds<Device>(p);
  REQUIRE(ids.exactly_written());
  index_t count = 0;
  for (index_t b = 0; b < mass.rows(); ++b) {
    auto const expected = oracle::top(row(mass.matrix(), b), std::size_t(k));
    for (index_t l = 0; l < k; ++l) count += ids(b, l) != expected[std::size_t(l)];
  }
  return count;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the largest columns come sorted, at every length, k and layout",
                        "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  random_source random(1);
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout)
      for (index_t const k : {0, 1, 2, 8, 50, 1003}) {
        kit::framed<T> mass(3, vocabulary, where);
        kit::fill(mass, [&](index_t, index_t) { return T(random.uniform()); });
        CAPTURE(vocabulary, k, where.step);
        REQUIRE(differing<typename TestType::device>(mass, k, where) == 0);
      }
}

TEMPLATE_LIST_TEST_CASE("equal masses go to the lower id", "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  random_source random(2);
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (index_t const values : {1, 2, 3, 10})  // few different masses: ties across all lanes
      for (index_t const k : {1, 5, 16, 50}) {
        kit::framed<T> mass(2, vocabulary);
        kit::fill(mass, [&](index_t, index_t) { return T(random.below(values)); });
        CAPTURE(vocabulary, values, k);
        REQUIRE(differing<typename TestType::device>(mass, k) == 0);
      }
}

TEMPLATE_LIST_TEST_CASE("equal masses go to the lower id across a long row", "[top_columns]",
                        every_device) {
  using T = typename TestType::scalar;
  random_source random(3);
  for (index_t const values : {1, 3, 5000})
    for (kit::layout const where : kit::every_layout) {
      kit::framed<T> mass(2, 5003, where);
      kit::fill(mass, [&](index_t, index_t) { return T(random.below(values)); });
      for (index_t const k : {1, 700, 2400}) {
        CAPTURE(values, where.step, k);
        REQUIRE(differing<typename TestType::device>(mass, k) == 0);
      }
    }
}

TEMPLATE_LIST_TEST_CASE("a pair of equal columns is ordered by id wherever it lies",
                        "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  for (index_t first = 0; first < 40; ++first)
    for (index_t second = first + 1; second < 40; ++second) {
      kit::framed<T> mass(1, 40);
      kit::fill(mass, [&](index_t, index_t v) { return v == first || v == second ? T(2) : T(1); });
      kit::framed<index_t> ids(1, 3);
      kit::succeeds<typename TestType::device>(
          top_columns<T, host_memory>{.mass = mass.matrix(), .ids = ids.matrix()});
      REQUIRE(ids(0) == first);
      REQUIRE(ids(1) == second);
      REQUIRE(ids(2) == (first > 0 ? 0 : second > 1 ? 1 : 2));
    }
}

TEMPLATE_LIST_TEST_CASE("rising, falling and infinite masses are ranked like any other",
                        "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::framed<T> mass(5, 333, {1, 1, 1});
  kit::fill(mass, [](index_t b, index_t v) {
    switch (b) {
      case 0:
        return T(v);
      case 1:
        return T(-v);
      case 2:
        return v % 7 == 0 ? T(0) : -infinity<T>;
      case 3:
        return v % 2 == 0 ? T(0) : T(-0.0);  // equal zeros
      default:
        return v > 300 ? std::numeric_limits<T>::denorm_min() : T(0);
    }
  });
  for (index_t const k : {1, 31, 50, 64, 333, 400}) CHECK(differing<Device>(mass, k) == 0);
}

TEMPLATE_LIST_TEST_CASE("lists rank the rows that they name, stored in any type", "[top_columns]",
                        every_storage) {
  using S = typename TestType::storage;
  using T = accumulator_t<S>;
  random_source random(4);
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout)
      for (index_t const k : {1, 20, 1003}) {
        kit::framed<S> mass(4, vocabulary, where);
        kit::fill(mass, [&](index_t, index_t) {
          return random.below(5) == 0 ? store_as<S>(-infinity<T>)
                                      : store_as<S>(T(4 * random.normal()));
        });
        index_t const row[] = {3, -1, 0, 0, 2};
        kit::framed<index_t> ids(5, k, {where.skip, where.gap, 1});
        kit::succeeds<typename TestType::device>(top_columns<S, host_memory>{
            .mass = mass.matrix(), .row = {row, 5}, .ids = ids.matrix()});
        REQUIRE(ids.exactly_written());
        index_t differing = 0;
        for (index_t b = 0; b < 5; ++b) {
          oracle::vector values;
          for (index_t v = 0; v < vocabulary && row[b] >= 0; ++v)
            values.push_back(load_as<T>(mass(row[b], v)));
          auto const expected = oracle::top(values, std::size_t(k));
          for (index_t l = 0; l < k; ++l) differing += ids(b, l) != expected[std::size_t(l)];
        }
        CAPTURE(vocabulary, k, where.step);
        REQUIRE(differing == 0);
      }
}

TEMPLATE_LIST_TEST_CASE("no rows and no columns are ordinary", "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::framed<T> no_rows(0, 9), no_columns(3, 0);
  CHECK(differing<Device>(no_rows, 4) == 0);
  CHECK(differing<Device>(no_columns, 4) == 0);
}

TEMPLATE_LIST_TEST_CASE("top_columns: wrong arguments are named and nothing is written",
                        "[top_columns]", every_device) {
  using T = typename TestType::scalar;
  kit::framed<T> mass(2, 9);
  kit::fill(mass, [](index_t, index_t v) { return T(v); });
  kit::framed<index_t> ids(2, 3);
  top_columns<T, host_memory> const right{.mass = mass.matrix(), .ids = ids.matrix()};
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(right, fault::shape, argument, change);
  };
  refuses("top_columns.mass", [](auto& p) { p.mass.data = nullptr; });
  refuses("top_columns.mass", [](auto& p) { p.mass.cols = -1; });
  refuses("top_columns.ids", [](auto& p) { p.ids.rows = 1; });
  refuses("top_columns.ids", [](auto& p) { p.ids.data = nullptr; });
  refuses("top_columns.ids", [](auto& p) { p.ids.row_stride = 2; });
  index_t row[] = {1, 2};
  refuses("top_columns.ids", [&](auto& p) { p.row = {row, 1}; });
  refuses("top_columns.row", [&](auto& p) { p.row = {nullptr, 2}; });
  CHECK(ids.untouched());
  if constexpr (!kit::is_emulated<typename TestType::device>)
    kit::refuses<typename TestType::device>(right, fault::data, "top_columns.row", [&](auto& p) {
      p.row = {row, 2};
    });
}
