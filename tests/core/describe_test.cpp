#include "mlot/interop/describe.hpp"

#include <limits>

#include "test.hpp"
using namespace mlot;

TEST_CASE("a status becomes one sentence", "[describe]") {
  CHECK(describe({}) == "ok");
  CHECK(describe({fault::value, "sinkhorn.epsilon", "finite and above 0", 0}) ==
        "sinkhorn.epsilon: 0 given, must be finite and above 0");
  CHECK(describe({fault::shape, "a.b", "3 columns", -12}) == "a.b: -12 given, must be 3 columns");
  CHECK(describe({fault::data, "z", "finite", 0.5, 3, 7}) ==
        "z at row 3, column 7: 0.5 given, must be finite");
  CHECK(describe({fault::data, "z", "finite", 1, 3}) == "z at row 3: 1 given, must be finite");
}

TEST_CASE("a sentence of a shape has the axis and the needed number", "[describe]") {
  auto const shape = [](char const* allowed, double value, char const* axis, index_t needed) {
    return describe({fault::shape, "a", allowed, value, -1, -1, axis, needed});
  };
  CHECK(shape("the shape of b", 3, "rows", 12) ==
        "a: 3 rows given, must be the shape of b: 12 rows");
  CHECK(shape("the shape of b", 2, "columns", 1) ==
        "a: 2 columns given, must be the shape of b: 1 column");
  CHECK(shape("as many as c has", 1, "batches", 2) ==
        "a: 1 batch given, must be as many as c has: 2 batches");
  CHECK(shape("5 elements", 4, "elements", 5) == "a: 4 elements given, must be 5 elements");
  CHECK(shape("no memory with d", 3, "rows", -1) == "a: 3 rows given, must be no memory with d");
  CHECK(shape("a last offset of the tokens", 3, "", 12) ==
        "a: 3 given, must be a last offset of the tokens: 12");
  CHECK(describe(null_pointer("a")) ==
        "a: a null pointer given, must be a pointer that is not null");
}

TEST_CASE("a fault is known by the name that the caller's loss gives it", "[describe]") {
  constexpr renaming names[] = {{"inner.a", "loss.first"}, {"inner.ab", "loss.second"}, {}};
  auto const known = [&](char const* argument) {
    return std::string(known_as(names, {fault::shape, argument, "x"}).argument);
  };
  CHECK(known("inner.a") == "loss.first");
  CHECK(known("inner.ab") == "loss.second");
  CHECK(known("inner.") == "inner.");
  CHECK(known("inner.abc") == "inner.abc");
  CHECK(known("") == "");
}

TEST_CASE("a sentence has values that are not finite, and small ones in full", "[describe]") {
  double const inf = std::numeric_limits<double>::infinity();
  CHECK(describe({fault::data, "z", "finite", inf, 0, 0}) ==
        "z at row 0, column 0: inf given, must be finite");
  CHECK(describe({fault::data, "z", "finite", -inf}) == "z: -inf given, must be finite");
  CHECK(describe({fault::data, "z", "finite", std::numeric_limits<double>::quiet_NaN()})
            .find("nan given") != std::string::npos);
  CHECK(describe({fault::value, "x", "more", 0.1}) == "x: 0.10000000000000001 given, must be more");
  CHECK(describe({fault::value, "x", "less", 1e300}) ==
        "x: 1.0000000000000001e+300 given, must be less");
}
