#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "devices.hpp"
#include "framed.hpp"
#include "grid/device.hpp"
#include "random.hpp"
#include "test.hpp"
#include "tokens.hpp"
using namespace mlot;
// Data in a card's memory that nobody has looked at: what a kernel does with wrong ones. The
// kernels are those that a card gets; where they read beside an array there is poison, which shows
// in what they write, or nothing at all, which ends the test.

namespace {
using card = kit::emulated<device_memory>;
using numbers = std::vector<index_t>;

template <class T>
device::matrix<T> on_card(host::matrix<T> m) {
  return {m.data, m.rows, m.cols, m.row_stride, m.col_stride};
}
template <class T>
device::vector<T> on_card(host::vector<T> v) {
  return {v.data, v.size, v.stride};
}
device::vector<index_t const> on_card(numbers const& x) { return {x.data(), index_t(x.size())}; }

template <class Primitive>
void run_on(card device, Primitive const& primitive) {
  std::vector<std::byte> scratch(workspace_size(device, primitive), std::byte(0xff));
  REQUIRE(compute(device, primitive, {scratch.data(), scratch.size()}).ok());
}
/// What is found in the data of a primitive, whichever block or thread comes first.
template <class Primitive>
status found(Primitive const& primitive) {
  std::uint64_t words[] = {finding_word::nothing, finding_word::nothing};
  for (int const n : {0, 1}) {
    kit::emulation::current_order() = kit::emulation::order(n);
    card device;
    device.findings = &words[n];
    run_on(device, primitive);
  }
  kit::emulation::current_order() = kit::emulation::order::rising;
  REQUIRE(words[0] == words[1]);
  return status_of_findings(words[0]);
}
/// Runs a primitive whose caller does not want to know.
template <class Primitive>
void run_unasked(Primitive const& primitive) {
  card device;
  device.findings = nullptr;
  run_on(device, primitive);
  REQUIRE(*card::own_findings() == finding_word::nothing);
}
void check_is(status const& s, fault code, std::string const& argument, index_t row,
              index_t column = -1) {
  CHECK(int(s.code) == int(code));
  CHECK(s.argument == argument);
  CHECK(std::isnan(s.value));
  CHECK(s.row == row);
  CHECK(s.column == column);
}

index_t const far = index_t(1) << 40;  ///< past every array, and past all memory

/// Gathers nine columns for three sequences, one of them empty, from a vocabulary of 97.
template <class T, class S>
struct gathering {
  static constexpr index_t vocabulary = 97, k = 9;
  kit::tokens tokens{{3, 0, 5}, true};
  kit::framed<S> logits{tokens.rows, vocabulary, {1, 3, 1}};
  kit::framed<index_t> ids{tokens.sequences(), k, {1, 3, 1}};
  kit::framed<T> table{tokens.count(), k, {1, 3, 1}};
  gathering() {
    random_source random(1);
    kit::fill(logits, [&](index_t, index_t) { return store_as<S>(T(random.normal())); });
    kit::fill(ids, [&](index_t, index_t) { return random.below(vocabulary); });
  }
  gather_columns<T, S, device_memory> primitive() {
    return {.logits = on_card(logits.matrix()),
            .tokens = {on_card(tokens.offset), on_card(tokens.row), tokens.longest},
            .ids = on_card(ids.matrix()),
            .table = on_card(table.matrix())};
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("an id past the vocabulary is no column, and found with its place",
                        "[bad_data]", kit::each_storage<card>) {
  using T = typename TestType::scalar;
  using batch = gathering<T, typename TestType::storage>;
  for (index_t const bad : {batch::vocabulary, far}) {
    batch wrong, missing, unasked;
    wrong.ids(2, 6) = wrong.ids(2, 7) = unasked.ids(2, 6) = unasked.ids(2, 7) = bad;
    missing.ids(2, 6) = missing.ids(2, 7) = -1;
    check_is(found(wrong.primitive()), fault::data, "ids", 2, 6);
    CHECK(found(missing.primitive()).ok());
    run_unasked(unasked.primitive());
    CHECK(wrong.table.exactly_written());
    CHECK(wrong.table.same_bits(missing.table));
    CHECK(wrong.table.same_bits(unasked.table));
  }
}

TEMPLATE_LIST_TEST_CASE("a row that the logits do not have is an absent token, and found",
                        "[bad_data]", kit::each_storage<card>) {
  using T = typename TestType::scalar;
  using batch = gathering<T, typename TestType::storage>;
  for (index_t const bad : {batch().logits.rows(), far}) {
    batch wrong, absent, unasked;
    wrong.tokens.row[7] = unasked.tokens.row[7] = bad;
    absent.tokens.row[7] = -1;
    check_is(found(wrong.primitive()), fault::shape, "token_rows.row", 7);
    CHECK(found(absent.primitive()).ok());
    run_unasked(unasked.primitive());
    CHECK(wrong.table.exactly_written());
    CHECK(wrong.table.same_bits(absent.table));
    CHECK(wrong.table.same_bits(unasked.table));
  }
}

TEMPLATE_LIST_TEST_CASE("a token without mass or temperature lacks every column", "[bad_data]",
                        kit::each_scalar<card>) {
  using T = typename TestType::scalar;
  T const nan = std::numeric_limits<T>::quiet_NaN();
  index_t const rows = 4, k = 35;
  kit::framed<T> logits(rows, k), maximum(rows), partition(rows), temperature(rows);
  kit::framed<T> probability(rows, k), log_probability(rows, k);
  random_source random(1);
  kit::fill(logits, [&](index_t i, index_t l) {
    return i != 1 ? T(random.normal()) : l % 2 == 0 ? nan : infinity<T>;
  });
  kit::fill(maximum, [](index_t, index_t i) { return i == 1 ? -infinity<T> : T(4); });
  kit::fill(partition, [](index_t, index_t i) { return T(i == 1 ? 0 : 2); });
  kit::fill(temperature, [](index_t, index_t) { return T(1); });
  column_probabilities<T, device_memory> const p{
      .logits = on_card(logits.matrix()),
      .maximum = on_card(maximum.vector()),
      .partition = on_card(partition.vector()),
      .temperature = device::vector<T const>(on_card(temperature.vector())),
      .probability = on_card(probability.matrix()),
      .log_probability = on_card(log_probability.matrix())};
  auto const only_lacks = [&](index_t bad) {
    REQUIRE(probability.exactly_written());
    REQUIRE(log_probability.exactly_written());
    index_t wrong = 0;
    for (index_t i = 0; i < rows; ++i)
      for (index_t l = 0; l < k; ++l) {
        bool const lacks = i == 1 || i == bad;
        wrong += lacks ? probability(i, l) != 0 : !(probability(i, l) > 0);
        wrong += lacks ? log_probability(i, l) != -infinity<T> : !(log_probability(i, l) < 0);
      }
    return wrong == 0;
  };
  CHECK(found(p).ok());  // whoever made maximum and partition has said what is wrong with row 1
  CHECK(only_lacks(-1));
  for (T const bad : {T(0), T(-1), infinity<T>, nan, std::numeric_limits<T>::denorm_min()}) {
    temperature(2) = bad;
    check_is(found(p), fault::value, "temperature", 2);
    CHECK(only_lacks(2));
    run_unasked(p);
    CHECK(only_lacks(2));
  }
}

namespace {
/// Three sequences, the second without pairs, and given pairs between their tokens.
template <class T>
struct pairing {
  static constexpr index_t k = 35;
  numbers teacher_offset{0, 4, 5, 7}, student_offset{0, 3, 4, 9};
  numbers offset{0, 4, 4, 8}, teachers{3, 0, 1, 2, 0, 1, 1, 0}, students{0, 1, 1, 2, 0, 2, 4, 4};
  kit::framed<T> teacher{7, k}, student{9, k}, student_log{9, k}, difference{3}, logarithm{3};
  kit::framed<T> table_gradient{9, k}, log_gradient{9, k};
  pairing() {
    random_source random(1);
    auto const probability = [&](index_t, index_t) { return T(random.uniform(0.01, 1)); };
    kit::fill(teacher, probability);
    kit::fill(student, probability);
    kit::fill(student_log, [&](index_t j, index_t l) { return std::log(student(j, l)); });
  }
  void leave_out(std::size_t pair) {
    teachers.erase(teachers.begin() + std::ptrdiff_t(pair));
    students.erase(students.begin() + std::ptrdiff_t(pair));
    for (index_t& o : offset) o -= o > index_t(pair);
  }
  aligned_terms<T, device_memory> forward() {
    return {.teacher = on_card(teacher.matrix()),
            .student = on_card(student.matrix()),
            .student_log = on_card(student_log.matrix()),
            .teacher_offset = on_card(teacher_offset),
            .student_offset = on_card(student_offset),
            .pairs = {on_card(offset), on_card(teachers), on_card(students)},
            .holistic_difference = on_card(difference.vector()),
            .sequential_logarithm = on_card(logarithm.vector())};
  }
  aligned_terms_gradient<T, device_memory> backward() {
    return {.of = forward(),
            .table_gradient = on_card(table_gradient.matrix()),
            .log_gradient = on_card(log_gradient.matrix())};
  }
  bool same(pairing& other) {
    bool near = true;
    for (index_t b = 0; b < 3; ++b)
      near = near && difference(b) == Approx(other.difference(b)) &&
             logarithm(b) == Approx(other.logarithm(b));
    return near && table_gradient.same_bits(other.table_gradient) &&
           log_gradient.same_bits(other.log_gradient);
  }
  index_t teacher_count(std::size_t pair) const {
    std::size_t const b = pair < 4 ? 0 : 2;
    return teacher_offset[b + 1] - teacher_offset[b];
  }
  bool finite() {
    bool all = true;
    for (index_t b = 0; b < 3; ++b)
      all = all && std::isfinite(difference(b)) && std::isfinite(logarithm(b));
    for (index_t j = 0; j < 9; ++j)
      for (index_t l = 0; l < k; ++l)
        all = all && std::isfinite(table_gradient(j, l)) && std::isfinite(log_gradient(j, l));
    return all;
  }
  bool written() const {
    return difference.exactly_written() && logarithm.exactly_written() &&
           table_gradient.exactly_written() && log_gradient.exactly_written();
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a pair outside of its sequence counts for nothing, and is found",
                        "[bad_data]", kit::each_scalar<card>) {
  using T = typename TestType::scalar;
  auto const check = [](std::size_t pair, auto spoil) {
    CAPTURE(pair);
    pairing<T> wrong, unasked, without;
    spoil(wrong);
    spoil(unasked);
    without.leave_out(pair);
    check_is(found(wrong.forward()), fault::data, "token_pairs", index_t(pair));
    check_is(found(wrong.backward()), fault::data, "token_pairs", index_t(pair));
    run_unasked(unasked.forward());
    run_unasked(unasked.backward());
    CHECK(found(without.forward()).ok());
    CHECK(found(without.backward()).ok());
    CHECK(wrong.written());
    CHECK(wrong.same(without));
    CHECK(wrong.same(unasked));
  };
  for (std::size_t const pair : {0u, 2u, 4u, 7u})
    for (index_t const token : {index_t(-1), pairing<T>().teacher_count(pair), far, -far})
      check(pair, [=](auto& all) { all.teachers[pair] = token; });
  for (index_t const token : {index_t(-1), -far})  // sorted as before
    for (std::size_t const pair : {0u, 4u})
      check(pair, [=](auto& all) { all.students[pair] = token; });
  check(3, [](auto& all) { all.students[3] = 3; });
  check(7, [](auto& all) { all.students[7] = 5; });
  check(7, [](auto& all) { all.students[7] = far; });
}

TEMPLATE_LIST_TEST_CASE("pairs out of order are found, and make numbers nevertheless", "[bad_data]",
                        kit::each_scalar<card>) {
  for (index_t const token : {index_t(0), index_t(1), far, -far})
    for (std::size_t const pair : {1u, 2u, 5u, 6u}) {
      CAPTURE(token, pair);
      pairing<typename TestType::scalar> wrong;
      wrong.students[pair] = token;
      auto const first = wrong.students.begin();
      if (std::is_sorted(first, first + 4) && std::is_sorted(first + 4, wrong.students.end()))
        continue;
      status const forward = found(wrong.forward()), backward = found(wrong.backward());
      CHECK(forward.argument == std::string("token_pairs"));
      CHECK(forward.row >= index_t(pair));
      CHECK(forward.row <= index_t(pair) + 1);
      CHECK(backward.row == forward.row);
      CHECK(wrong.written());
      CHECK(wrong.finite());
    }
}

TEST_CASE("the first of several findings is kept, of all calls with the same word", "[bad_data]") {
  gathering<float, float> gathered;
  pairing<float> paired;
  gathered.ids(2, 8) = gathered.ids(2, 3) = gathered.ids(0, 8) = far;
  paired.teachers[5] = paired.teachers[1] = far;
  std::uint64_t word = finding_word::nothing;
  card device;
  device.findings = &word;
  run_on(device, paired.forward());
  check_is(status_of_findings(word), fault::data, "token_pairs", 1);
  run_on(device, gathered.primitive());
  check_is(status_of_findings(word), fault::data, "ids", 0, 8);
  run_on(device, paired.backward());
  check_is(status_of_findings(word), fault::data, "ids", 0, 8);
  gathered.tokens.row[4] = far;
  run_on(device, gathered.primitive());
  check_is(status_of_findings(word), fault::shape, "token_rows.row", 4);
}
