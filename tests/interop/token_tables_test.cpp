#include "mlot/interop/token_tables.hpp"

#include <tuple>
#include <vector>

#include "framed.hpp"
#include "random.hpp"
#include "test.hpp"
#include "tokens.hpp"
using namespace mlot;

TEST_CASE("tokens that are not absent come in order, some at a time") {
  kit::tokens const tokens({0, 5, 1}, true);  // rows 2, -1, 3, 4, 5; 7
  using part = std::tuple<index_t, index_t, index_t>;
  auto const parts = [&](index_t b, index_t most) {
    std::vector<part> all;
    for_present_tokens(tokens.view(), b, most, [&](index_t first, index_t count, index_t end) {
      all.emplace_back(first, count, end);
    });
    return all;
  };
  CHECK(parts(0, 3).empty());
  CHECK(parts(1, 3) == std::vector<part>{{0, 3, 5}, {3, 1, 6}});
  CHECK(parts(1, 2) == std::vector<part>{{0, 2, 4}, {2, 2, 6}});
  CHECK(parts(1, 9) == std::vector<part>{{0, 4, 6}});
  CHECK(parts(2, 1) == std::vector<part>{{0, 1, 8}});
  CHECK(present_tokens(tokens.view(), 0) == 0);
  CHECK(present_tokens(tokens.view(), 1) == 4);
}

TEST_CASE("a standard deviation is unbiased, over one matrix or two, at any scale") {
  kit::tokens const tokens({4, 0, 3}, true);
  for (double const scale : {1., 1e-300, 1e300})
    for (bool const two : {false, true}) {
      CAPTURE(scale, two);
      random_source random(7);
      kit::framed<double> first(tokens.rows, 3, {1, 3, 1}), second(tokens.rows, 5, {3, 0, 2});
      std::vector<long double> all;
      for (index_t const r : tokens.row) {
        if (r < 0) continue;
        for (index_t c = 0; c < 3; ++c) all.push_back(first(r, c) = scale * (5 + random.normal()));
        for (index_t c = 0; c < 5; ++c) {
          second(r, c) = scale * random.normal();
          if (two) all.push_back(second(r, c));
        }
      }
      long double mean = 0, squares = 0;
      for (long double const x : all) mean += x / (long double)(all.size());
      for (long double const x : all) squares += (x - mean) * (x - mean);
      double const should = double(std::sqrt(squares / (long double)(all.size() - 1)));
      auto const is = standard_deviation<double, double>(
          tokens.view(), first.matrix(), two ? second.matrix() : host::matrix<double>());
      CHECK(is == Approx(should).epsilon(1e-13));
    }
}

TEST_CASE("what does not vary has deviation 1") {
  kit::tokens const tokens({3, 1}), one({1});
  kit::framed<float> same(tokens.rows, 7), single(one.rows, 1);
  for (float const x : {0.f, 0.1f, -1e30f}) {
    kit::fill(same, [&](index_t, index_t) { return x; });
    kit::fill(single, [&](index_t, index_t) { return x; });
    CHECK(standard_deviation<double, float>(tokens.view(), same.matrix()) == 1);
    CHECK(standard_deviation<double, float>(one.view(), single.matrix()) == 1);
  }
  CHECK(standard_deviation<double, float>({}, same.matrix()) == 1);
}
