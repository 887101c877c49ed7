#include "mlot/primitive/table_product.hpp"

#include "devices.hpp"
#include "framed.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
/// Products of tables in From, kept as T.
template <class T, class From>
struct batch {
  kit::framed<From> left, right;
  kit::framed<T> out;
  batch(index_t rows, index_t k, kit::layout where)
      : left(rows, k, where), right(rows, k, where), out(rows, k, where) {
    random_source random{std::uint64_t(k)};
    kit::fill(left, [&](index_t, index_t) { return From(random.normal()); });
    kit::fill(right, [&](index_t, index_t) { return From(random.normal()); });
  }
  table_product<T, host_memory, From> primitive() {
    return {.left = left.matrix(), .right = right.matrix(), .out = out.matrix()};
  }
};
template <class Device, class T, class From>
void check() {
  for (index_t const k : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T, From> all(3, k, where), copied(3, k, where);
      auto copy = copied.primitive();
      copy.right = {};
      kit::succeeds<Device>(all.primitive());
      kit::succeeds<Device>(copy);
      REQUIRE(all.out.exactly_written());
      REQUIRE(copied.out.exactly_written());
      index_t wrong = 0;
      for (index_t i = 0; i < 3; ++i)
        for (index_t l = 0; l < k; ++l) {
          T const once = T(From(all.left(i, l) * all.right(i, l)));
          T const wide = T(all.left(i, l)) * T(all.right(i, l));
          wrong += all.out(i, l) != once && all.out(i, l) != wide;
          wrong += copied.out(i, l) != T(all.left(i, l));
        }
      REQUIRE(wrong == 0);
    }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("products and copies are exact to one rounding, in any two types",
                        "[table_product]", every_device) {
  using T = typename TestType::scalar;
  check<typename TestType::device, T, float>();
  check<typename TestType::device, T, double>();
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of table_product are named and nothing is written",
                        "[table_product]", every_device) {
  using T = typename TestType::scalar;
  batch<T, T> all(3, 4, {});
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("table_product.left", [](auto& p) { p.left.data = nullptr; });
  refuses("table_product.right", [](auto& p) { p.right.cols = 3; });
  refuses("table_product.out", [](auto& p) { p.out.rows = 2; });
  refuses("table_product.out", [](auto& p) { p.out.row_stride = 3; });
  CHECK(all.out.untouched());
}
