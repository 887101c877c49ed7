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
