#include "mlot/primitive/token_problems.hpp"

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "mlot/primitive/segment_sums.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
using namespace mlot;

namespace {
/// Tables of two models with ragged sequences, and everything written.
template <class T>
struct batch {
  static constexpr index_t k = 7;
  kit::tokens teacher{{3, 0, 4, 2}}, student{{5, 2, 0, 2}};
  kit::framed<T> table, marginal{student.count() * k};
  std::vector<T> aligned = std::vector<T>(std::size_t(student.count() * k), T(-1));
  kit::framed<index_t> offset{student.count() + 1};

  explicit batch(kit::layout where = {1, 3, 1}) : table(teacher.count(), k, where) {
    random_source random(3);
    kit::fill(table, [&](index_t, index_t) { return T(random.uniform(0, 1)); });
  }
  token_problems<T, host_memory> primitive() {
    return {.teacher = table.matrix(),
            .teacher_offset = teacher.view().offset,
            .student_offset = student.view().offset,
            .aligned = {aligned.data(), student.count(), k, k},
            .marginal = marginal.vector(),
            .offset = offset.vector()};
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a token's problem has its partner's row, or no mass", "[token_problems]",
                        every_device) {
  using T = typename TestType::scalar;
  for (kit::layout const where : kit::every_layout) {
    batch<T> all(where);
    kit::succeeds<typename TestType::device>(all.primitive());
    CHECK(all.marginal.exactly_written());
    CHECK(all.offset.exactly_written());
    // Of student tokens 0 .. 8: teacher tokens 0, 1, 2 and none; none; those of the last sequence.
    index_t const partner[] = {0, 1, 2, -1, -1, -1, -1, 7, 8};
    for (index_t j = 0; j < 9; ++j)
      for (index_t l = 0; l < all.k; ++l) {
        T const is = all.aligned[std::size_t(j * all.k + l)];
        CHECK(is == (partner[j] < 0 ? T(0) : all.table(partner[j], l)));
        CHECK(all.marginal(j * all.k + l) == T(partner[j] < 0 ? 0 : 1));
      }
    for (index_t j = 0; j <= 9; ++j) CHECK(all.offset(j) == j * all.k);
  }
}

TEMPLATE_LIST_TEST_CASE("token_problems: wrong arguments are named and nothing is written",
                        "[token_problems]", every_device) {
  using T = typename TestType::scalar;
  batch<T> all;
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(), fault::shape, argument, change);
  };
  refuses("token_problems.teacher", [](auto& p) { p.teacher.data = nullptr; });
  refuses("token_problems.aligned", [](auto& p) { p.aligned.cols = 6; });
  refuses("token_problems.aligned", [](auto& p) { p.aligned.row_stride = 8; });
  refuses("token_problems.teacher_offset", [](auto& p) { p.teacher_offset.size = 2; });
  refuses("token_problems.marginal", [](auto& p) { p.marginal.size -= 1; });
  refuses("token_problems.offset", [](auto& p) { p.offset.size -= 1; });
  CHECK(all.marginal.untouched());
  CHECK(all.offset.untouched());
}

TEMPLATE_LIST_TEST_CASE("segments are summed, those without elements to 0", "[segment_sums]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::largest_error error;
  for (kit::layout const where : kit::every_layout) {
    kit::tokens const segments({300, 0, 1, 77});
    index_t const count = segments.count();
    kit::framed<T> x(1, count, where), out(4);
    random_source random(5);
    kit::fill(x, [&](index_t, index_t) { return T(random.uniform(0, 1)); });
    segment_sums<T, host_memory> const p{
        .x = x.vector(), .offset = segments.view().offset, .out = out.vector()};
    kit::succeeds<typename TestType::device>(p);
    CHECK(out.exactly_written());
    index_t i = 0;
    for (index_t b = 0; b < 4; ++b) {
      long double sum = 0;
      for (; i < segments.view().offset(b + 1); ++i) sum += x(i);
      error.relative(out(b), sum);
    }
    CHECK(out(1) == 0);
    auto const refuses = [&](char const* argument, auto change) {
      kit::refuses<typename TestType::device>(p, fault::shape, argument, change);
    };
    refuses("segment_sums.x", [](auto& q) { q.x.data = nullptr; });
    refuses("segment_sums.offset", [](auto& q) { q.offset.data = nullptr; });
    refuses("segment_sums.out", [](auto& q) { q.out.size = 3; });
  }
  CHECK(error.value <= (sizeof(T) == 4 ? 1e-6 : 1e-14));
}
