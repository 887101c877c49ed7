#include "mlot/primitive/sequence_totals.hpp"

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

namespace {
template <class T>
struct batch {
  kit::framed<T> terms, weight, out{5};
  explicit batch(index_t sequences, kit::layout where = {1, 3, 1})
      : terms(sequences, 4, where), weight(1, sequences, where) {
    random_source random{std::uint64_t(sequences)};
    kit::fill(terms, [&](index_t, index_t) { return T(random.uniform(0, 5)); });
    kit::fill(weight, [&](index_t, index_t) { return T(random.uniform(0, 1)); });
  }
  sequence_totals<T, host_memory> primitive() {
    return {.terms = terms.matrix(),
            .weight = {T(1), host::vector<T const>(weight.vector()), T(0.5), T(0)},
            .total_weight = {T(1), T(0.15), T(-2), T(3)},
            .out = out.vector()};
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("terms add up with their weights, and to a weighed total",
                        "[sequence_totals]", every_device) {
  using T = typename TestType::scalar;
  kit::largest_error error;
  for (index_t const sequences : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      batch<T> all(sequences, where);
      kit::succeeds<typename TestType::device>(all.primitive());
      REQUIRE(all.out.exactly_written());
      long double sums[3] = {0, 0, 0};
      for (index_t b = 0; b < sequences; ++b) {
        sums[0] += all.terms(b, 0);
        sums[1] += (long double)(all.weight(b)) * all.terms(b, 1);
        sums[2] += 0.5L * all.terms(b, 2);
      }
      for (int c = 0; c < 3; ++c) error.relative(all.out(c), sums[c]);
      CHECK(all.out(3) == 0);
      error.add(std::fabs(all.out(4) - (sums[0] + T(0.15) * sums[1] - 2 * sums[2])) /
                (sums[0] + sums[1] + 2 * sums[2]));
    }
  CHECK(error.value <= (std::is_same_v<T, float> ? 1e-6 : 1e-14));
}

TEMPLATE_LIST_TEST_CASE("a weight of 0 counts nothing, even of an infinite term",
                        "[sequence_totals]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all(3);
  all.terms(0, 0) = infinity<T>;
  all.terms(1, 1) = infinity<T>;
  all.terms(2, 3) = std::numeric_limits<T>::quiet_NaN();
  all.weight(1) = 0;
  auto p = all.primitive();
  p.total_weight[0] = 0;
  kit::succeeds<typename TestType::device>(p);
  CHECK(all.out(0) == infinity<T>);
  CHECK(std::isfinite(all.out(1)));
  CHECK(all.out(3) == 0);
  CHECK(all.out(4) == Approx(0.15 * all.out(1) - 2 * all.out(2)));
}

TEMPLATE_LIST_TEST_CASE("no sequences add up to 0", "[sequence_totals]", every_device) {
  batch<typename TestType::scalar> all(0);
  kit::succeeds<typename TestType::device>(all.primitive());
  for (index_t c = 0; c < 5; ++c) CHECK(all.out(c) == 0);
}

TEMPLATE_LIST_TEST_CASE("sequence_totals: wrong arguments are named and nothing is written",
                        "[sequence_totals]", every_device) {
  batch<typename TestType::scalar> all(3);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("sequence_totals.terms", [](auto& p) { p.terms.cols = 3; });
  refuses("sequence_totals.terms", [](auto& p) { p.terms.data = nullptr; });
  refuses("sequence_totals.terms", [](auto& p) { p.terms.rows = -3; });
  refuses("sequence_totals.out", [](auto& p) { p.out.size = 4; });
  refuses("sequence_totals.weight", [](auto& p) { p.weight[1].each.size = 2; });
  CHECK(all.out.untouched());
}
