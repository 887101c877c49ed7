#include "mlot/core/requirement.hpp"

#include <string>
#include <vector>

#include "test.hpp"
using namespace mlot;

namespace {
bool answers(requirement const& r, fault code, double value) {
  status const s = r.answer();
  return s.code == code && s.argument == std::string("a") && s.value == value && s.allowed[0] != 0;
}
float memory[64];
}  // namespace

TEST_CASE("a requirement answers the first that fails", "[requirement]") {
  CHECK(requirement().answer().ok());
  status const s = requirement()
                       .that(true, fault::value, "a", 1, "x")
                       .that(false, fault::data, "b", 2, "y")
                       .that(false, fault::shape, "c", 3, "z")
                       .also({fault::workspace, "d", "w"})
                       .answer();
  CHECK(s.code == fault::data);
  CHECK(s.argument == std::string("b"));
  CHECK(s.allowed == std::string("y"));
  CHECK(s.value == 2);
  CHECK(requirement().also({fault::workspace, "d", "w"}).answer().code == fault::workspace);
}

TEST_CASE("a vector has exactly the size asked for and memory behind it", "[requirement]") {
  auto const vector = [](host::vector<float> v) { return requirement().vector("a", v, 3, "3"); };
  CHECK(vector({memory, 3}).answer().ok());
  CHECK(answers(vector({memory, 2}), fault::shape, 2));
  CHECK(answers(vector({memory, 4}), fault::shape, 4));
  CHECK(answers(vector({nullptr, 3}), fault::shape, 0));
  CHECK(requirement().vector("a", host::vector<float>{}, 0, "0").answer().ok());
  auto const optional = [](host::vector<float> v) {
    return requirement().optional("a", v, 3, "3");
  };
  CHECK(optional({}).answer().ok());
  CHECK(answers(optional({memory, 2}), fault::shape, 2));
  one_or_each<float, host_memory> const two = host::vector<float const>{memory, 2};
  CHECK(answers(requirement().each("a", two, 3, "3"), fault::shape, 2));
  CHECK(requirement().each("a", two, 2, "2").answer().ok());
}

TEST_CASE("a matrix has exactly the shape asked for and memory behind it", "[requirement]") {
  auto const matrix = [](host::matrix<float> m) { return requirement().matrix("a", m, 3, 4, "s"); };
  CHECK(matrix({memory, 3, 4, 4}).answer().ok());
  CHECK(matrix({memory, 3, 4, 1, 3}).answer().ok());
  CHECK(answers(matrix({memory, 2, 4, 4}), fault::shape, 2));
  CHECK(answers(matrix({memory, 3, 5, 5}), fault::shape, 5));
  CHECK(answers(matrix({nullptr, 3, 4, 4}), fault::shape, 0));
  host::matrix<float> const none{};
  CHECK(requirement().optional("a", none, 3, 4, "s").answer().ok());
  host::matrix<float> const wide{memory, 3, 6, 6};
  CHECK(requirement().at_least("a", wide, 3, 4, "s").answer().ok());
  CHECK(answers(requirement().at_least("a", wide, 3, 7, "s"), fault::shape, 6));
  CHECK(answers(requirement().at_least("a", wide, 2, 4, "s"), fault::shape, 3));
  CHECK(answers(requirement().usable("a", host::matrix<float>{memory, -1, 4}), fault::shape, -1));
  CHECK(answers(requirement().usable("a", host::matrix<float>{memory, 1, -4}), fault::shape, -4));
  CHECK(requirement().usable("a", host::matrix<float>{nullptr, 0, 4}).answer().ok());
}

TEST_CASE("a shape that does not fit is answered with its axis and the number needed",
          "[requirement]") {
  auto const names = [](requirement const& r, char const* axis, index_t needed) {
    CHECK(r.answer().axis == std::string(axis));
    CHECK(r.answer().needed == needed);
  };
  host::matrix<float> const m{memory, 3, 4, 4};
  names(requirement().matrix("a", m, 5, 4, "s"), "rows", 5);
  names(requirement().matrix("a", m, 3, 6, "s"), "columns", 6);
  names(requirement().at_least("a", m, 3, 7, "s"), "columns", 7);
  names(requirement().optional("a", m, 3, 6, "s"), "columns", 6);
  names(requirement().usable("a", host::matrix<float>{memory, -1, 4}), "rows", -1);
  names(requirement().vector("a", host::vector<float>{memory, 2}, 3, "3"), "elements", 3);
  names(requirement().vector("a", host::vector<float>{nullptr, 3}, 3, "3"), "pointer", -1);
  names(requirement().matrix("a", host::matrix<float>{nullptr, 3, 4, 4}, 3, 4, "s"), "pointer", -1);
  names(requirement().count("a", 2, 5, "tokens", "t"), "tokens", 5);
  names(requirement().count(false, "a", 2, -1, "pairs", "none"), "pairs", -1);
  names(requirement().positive("a", -1.0), "", -1);
  CHECK(requirement().count("a", 5, 5, "tokens", "t").pointer("a", true).answer().ok());
}

TEST_CASE("a written matrix must not map two elements to one", "[requirement]") {
  auto const usable = [](host::matrix<float> m) { return requirement().usable("a", m); };
  CHECK(usable({memory, 3, 4, 4}).answer().ok());
  CHECK(usable({memory, 3, 4, 9, 2}).answer().ok());
  CHECK(usable({memory, 3, 4, 1, 3}).answer().ok());
  CHECK(usable({memory, 1, 4, 0}).answer().ok());
  CHECK(answers(usable({memory, 3, 4, 3}), fault::shape, 3));
  CHECK(answers(usable({memory, 3, 4, 7, 2}), fault::shape, 7));
  CHECK(answers(usable({memory, 3, 4, 1, 2}), fault::shape, 1));
  CHECK(requirement().usable("a", host::matrix<float const>{memory, 3, 4, 0}).answer().ok());
}

TEST_CASE("a written matrix whose row or column stride is 0 is answered", "[requirement]") {
  auto const usable = [](host::matrix<float> m) { return requirement().usable("a", m).answer(); };
  CHECK(usable({memory, 3, 4, 0}).code == fault::shape);
  CHECK(usable({memory, 3, 4, 4, 0}).code == fault::shape);
  CHECK(usable({memory, 1, 4, 4, 0}).code == fault::shape);
  CHECK(usable({memory, 3, 1, 0}).code == fault::shape);
}

TEMPLATE_TEST_CASE("numbers are finite, positive or not negative", "[requirement]", float, double,
                   long double) {
  TestType const inf = infinity<TestType>, nan = std::numeric_limits<TestType>::quiet_NaN();
  auto const code = [](requirement const& r) { return r.answer().code; };
  for (TestType const x : {nan, inf, TestType(-inf)}) {
    CHECK(code(requirement().positive("a", x)) == fault::value);
    CHECK(code(requirement().non_negative("a", x)) == fault::value);
    CHECK(code(requirement().finite("a", x)) == fault::value);
  }
  CHECK(answers(requirement().positive("a", TestType(0)), fault::value, 0));
  CHECK(answers(requirement().non_negative("a", TestType(-2)), fault::value, -2));
  CHECK(requirement().positive("a", std::numeric_limits<TestType>::denorm_min()).answer().ok());
  CHECK(requirement().non_negative("a", TestType(0)).answer().ok());
  CHECK(requirement().finite("a", TestType(-5)).answer().ok());
  CHECK(answers(requirement().at_least("a", 3, 4, "4"), fault::value, 3));
  CHECK(requirement().at_least("a", 4, 4, "4").answer().ok());
}
