#include "mlot/interop/matrix_product.hpp"

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "primitive/thread_count.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
/// A matrix by rows or by columns.
template <class T>
struct either_way {
  bool turned;
  kit::framed<T> memory;
  either_way(index_t rows, index_t cols, bool by_columns)
      : turned(by_columns), memory(turned ? cols : rows, turned ? rows : cols, {1, 3, 1}) {}
  host::matrix<T> matrix() { return turned ? transposed(memory.matrix()) : memory.matrix(); }
  void draw(random_source& random) {
    kit::fill(memory, [&](index_t, index_t) { return T(random.normal()); });
  }
};

template <class T>
struct product {
  either_way<T> left, right;
  kit::framed<T> out;
  matrix_product<T> p;
  product(index_t rows, index_t depth, index_t cols, bool left_turned, bool right_turned, bool adds)
      : left(rows, depth, left_turned),
        right(depth, cols, right_turned),
        out(rows, cols, {1, 3, 1}) {
    random_source random(std::uint64_t(rows * 1000000 + depth * 1000 + cols));
    left.draw(random), right.draw(random);
    if (adds) kit::fill(out, [&](index_t, index_t) { return T(random.normal()); });
    p = {.left = left.matrix(), .right = right.matrix(), .out = out.matrix(), .adds = adds};
  }
  /// Largest error in units of eps (depth + 2) times the sum of absolute products.
  template <class Device>
  double error() {
    index_t const rows = out.rows(), cols = out.cols(), depth = p.left.cols;
    std::vector<long double> should, size;
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j) {
        long double sum = p.adds ? out(i, j) : T(0), absolute = std::fabs(sum);
        for (index_t l = 0; l < depth; ++l) {
          long double const x = static_cast<long double>(p.left(i, l)) * p.right(l, j);
          sum += x, absolute += std::fabs(x);
        }
        should.push_back(sum), size.push_back(absolute);
      }
    kit::succeeds<Device>(p);
    REQUIRE((rows * cols == 0 || out.exactly_written()));
    kit::largest_error error;
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j) {
        std::size_t const n = std::size_t(i * cols + j);
        if (size[n] == 0)
          error.absolute(out(i, j), 0);
        else
          error.add(std::fabs(out(i, j) - should[n]) / size[n] /
                    (double(depth + 2) * std::numeric_limits<T>::epsilon()));
      }
    return error.value;
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a matrix product is the sum of products, whichever way matrices lie", "",
                        every_device) {
  using T = typename TestType::scalar;
  index_t const shapes[][3] = {{1, 1, 1},     {1, 7, 5},     {5, 7, 1},     {3, 0, 4},
                               {0, 3, 4},     {4, 3, 0},     {17, 33, 9},   {128, 5, 256},
                               {129, 5, 257}, {300, 40, 31}, {31, 40, 600}, {2, 1000, 3}};
  for (auto const& [rows, depth, cols] : shapes)
    for (bool const left : {false, true})
      for (bool const right : {false, true})
        for (bool const adds : {false, true}) {
          CAPTURE(rows, depth, cols, left, right, adds);
          product<T> all(rows, depth, cols, left, right, adds);
          CHECK(all.template error<typename TestType::device>() <= 1);
        }
}

TEMPLATE_LIST_TEST_CASE("a matrix product has the same bits for any number of threads", "",
                        every_device) {
  using T = typename TestType::scalar;
  // One piece, which is not dealt out and which Eigen would cut by its threads; and several.
  index_t const shapes[][3] = {{120, 3000, 250}, {300, 700, 600}};
  for (auto const& [rows, depth, cols] : shapes) {
    product<T> one(rows, depth, cols, false, true, false);
    {
      kit::thread_count const set(1);
      kit::succeeds<typename TestType::device>(one.p);
    }
    for (int const threads : {2, 3, 4}) {
      kit::thread_count const set(threads);
      product<T> many(rows, depth, cols, false, true, false);
      kit::succeeds<typename TestType::device>(many.p);
      CHECK(many.out.same_bits(one.out));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("matrix_product: wrong arguments are named, nothing is written", "",
                        every_device) {
  using T = typename TestType::scalar;
  product<T> all(3, 4, 5, false, false, false);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.p, fault::shape, argument, change);
  };
  refuses("matrix_product.left", [](auto& p) { p.left.data = nullptr; });
  refuses("matrix_product.left", [](auto& p) { p.left.col_stride = 2; });
  refuses("matrix_product.right", [](auto& p) { p.right.rows = 3; });
  refuses("matrix_product.right", [](auto& p) { p.right.col_stride = 2; });
  refuses("matrix_product.out", [](auto& p) { p.out.cols = 4; });
  refuses("matrix_product.out", [](auto& p) {
    p.out = transposed(matrix_view<T, host_memory>{p.out.data, 5, 3, 3});
  });
  CHECK(all.out.untouched());
}
