#include "mlot/core/token_pairs.hpp"

#include <string>
#include <utility>
#include <vector>

#include "test.hpp"
using namespace mlot;

namespace {
using numbers = std::vector<index_t>;
host::vector<index_t const> view(numbers const& x) { return {x.data(), index_t(x.size())}; }
/// Two sequences: 2 and 3 teacher tokens, 3 and 2 student tokens.
numbers const teacher_offset{0, 2, 5}, student_offset{0, 3, 5};
status check(numbers const& offset, numbers const& teacher, numbers const& student) {
  return token_pairs<>{view(offset), view(teacher), view(student)}.check("p", view(teacher_offset),
                                                                         view(student_offset));
}
std::vector<std::pair<index_t, index_t>> visited(token_pairs<> const& pairs, index_t b, index_t m,
                                                 index_t n) {
  std::vector<std::pair<index_t, index_t>> all;
  pairs.for_each(b, m, n, [&](index_t i, index_t j) { all.emplace_back(i, j); });
  return all;
}
}  // namespace

TEST_CASE("without pairs token t meets token t up to the shorter length", "[token_pairs]") {
  token_pairs<> const none{};
  CHECK(none.by_position());
  using all = std::vector<std::pair<index_t, index_t>>;
  CHECK(visited(none, 0, 2, 3) == all{{0, 0}, {1, 1}});
  CHECK(visited(none, 1, 3, 2) == all{{0, 0}, {1, 1}});
  CHECK(visited(none, 0, 0, 4).empty());
  CHECK(none.check("p", view(teacher_offset), view(student_offset)).ok());
}

TEST_CASE("given pairs are visited sequence by sequence in their order", "[token_pairs]") {
  numbers const offset{0, 3, 5}, teacher{1, 0, 1, 2, 0}, student{0, 2, 2, 0, 1};
  token_pairs<> const pairs{view(offset), view(teacher), view(student)};
  using all = std::vector<std::pair<index_t, index_t>>;
  CHECK_FALSE(pairs.by_position());
  CHECK(visited(pairs, 0, 2, 3) == all{{1, 0}, {0, 2}, {1, 2}});
  CHECK(visited(pairs, 1, 3, 2) == all{{2, 0}, {0, 1}});
  CHECK(check(offset, teacher, student).ok());
  CHECK(check({0, 0, 0}, {}, {}).ok());
}

TEST_CASE("check names what is wrong in pairs", "[token_pairs]") {
  auto const answers = [](status const& s, fault code, double value) {
    return s.code == code && s.argument == std::string("p") && s.value == value;
  };
  CHECK(answers(check({0, 1}, {0}, {0}), fault::shape, 2));             // too few offsets
  CHECK(answers(check({0, 1, 2}, {0, 0}, {0}), fault::shape, 2));       // unequal sides
  CHECK(answers(check({0, 1, 1}, {0, 0}, {0, 0}), fault::shape, 1));    // last offset
  CHECK(answers(check({1, 1, 2}, {0, 0}, {0, 0}), fault::shape, 1));    // first offset
  CHECK(answers(check({0, 3, 2}, {0, 0}, {0, 0}), fault::shape, 3));    // rises past the pairs
  CHECK(answers(check({0, -1, 2}, {0, 0}, {0, 0}), fault::shape, -1));  // falls
  CHECK(answers(check({0, 1, 2}, {2, 0}, {0, 0}), fault::data, 2));     // past the teacher
  CHECK(answers(check({0, 1, 2}, {0, -1}, {0, 0}), fault::data, -1));
  CHECK(answers(check({0, 1, 2}, {0, 0}, {0, 2}), fault::data, 2));  // past the student
  CHECK(answers(check({0, 1, 2}, {0, 0}, {-3, 0}), fault::data, -3));
  CHECK(answers(check({0, 2, 2}, {0, 1}, {1, 0}), fault::data, 0));  // unsorted
  CHECK(check({0, 1, 2}, {0, 0}, {2, 0}).ok());  // sorted within each sequence is enough
}

TEST_CASE("pairs without memory behind them are answered", "[token_pairs]") {
  numbers const offset{0, 1, 2}, some{0, 0};
  token_pairs<> const no_teacher{view(offset), {nullptr, 2}, view(some)};
  token_pairs<> const no_student{view(offset), view(some), {nullptr, 2}};
  token_pairs<> const no_offset{{nullptr, 3}, view(some), view(some)};
  for (auto const& pairs : {no_teacher, no_student, no_offset})
    CHECK(pairs.check("p", view(teacher_offset), view(student_offset)).code == fault::shape);
}
