#include "mlot/primitive/problem_copy.hpp"

#include "devices.hpp"
#include "framed.hpp"
#include "problems.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
template <class T, class From>
struct batch {
  kit::problems problems{{{3, 17}, {0, 2}, {2, 0}, {5, 9}}};
  kit::framed<From> from;
  kit::framed<T> to;
  explicit batch(kit::layout where = {1, 3, 1})
      : from(problems.rows(), problems.longest_row + 1, where),
        to(problems.rows(), problems.longest_row + 2, where) {
    random_source random(1);
    problems.for_each([&](index_t i, index_t j, index_t) { from(i, j) = From(random.normal()); });
  }
  problem_copy<T, host_memory, From> primitive() {
    return {.batch = problems.view(), .from = from.matrix(), .to = to.matrix()};
  }
};
template <class Device, class T, class From>
void check() {
  for (kit::layout const where : kit::every_layout) {
    batch<T, From> all(where);
    kit::succeeds<Device>(all.primitive());
    REQUIRE(all.problems.exactly_written(all.to));
    index_t wrong = 0;
    all.problems.for_each(
        [&](index_t i, index_t j, index_t) { wrong += all.to(i, j) != T(all.from(i, j)); });
    REQUIRE(wrong == 0);
  }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the entries of every problem are copied, and no others", "[problem_copy]",
                        every_device) {
  using T = typename TestType::scalar;
  check<typename TestType::device, T, float>();
  check<typename TestType::device, T, double>();
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of problem_copy are named and nothing is written",
                        "[problem_copy]", every_device) {
  using T = typename TestType::scalar;
  batch<T, T> all;
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("problem_copy.batch", [](auto& p) { p.batch.longest_row = 3; });
  refuses("problem_copy.from", [](auto& p) { p.from.cols = 16; });
  refuses("problem_copy.from", [](auto& p) { p.from.data = nullptr; });
  refuses("problem_copy.to", [](auto& p) { p.to.rows = 9; });
  CHECK(all.to.untouched());
}
