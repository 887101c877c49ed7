// What kernels that compare two models, token by token, make of other orders of blocks and threads,
// and of data that no host has looked at.
#include "grid/other_launches.hpp"
#include "mlot/grid.hpp"
#include "primitive/divergence_batch.hpp"
#include "primitive/match_columns_batch.hpp"
#include "primitive/ranked_batch.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using T = float;
using rising = kit::emulated<>;
using falling = kit::in_falling_order<kit::emulated<>>;
using card = kit::emulated<device_memory>;
T const a_nan = std::numeric_limits<T>::quiet_NaN();

template <class X>
device::vector<X> on_card(host::vector<X> v) {
  return {v.data, v.size, v.stride};
}
template <class X>
device::matrix<X> on_card(host::matrix<X> m) {
  return {m.data, m.rows, m.cols, m.row_stride, m.col_stride};
}
token_rows<device_memory> on_card(token_rows<> const& t) {
  return {on_card(t.offset), on_card(t.row), t.longest};
}
token_pairs<device_memory> on_card(token_pairs<> const& pairs) {
  return {on_card(pairs.offset), on_card(pairs.teacher), on_card(pairs.student)};
}
status run_on_card(auto const& primitive) {
  std::vector<std::byte> memory(workspace_size(card(), primitive), std::byte(0xff));
  return kit::in_the_end<card>(compute(card(), primitive, {memory.data(), memory.size()}));
}

kit::divergence_batch<T> compared(bool paired) {
  kit::divergence_shape shape;
  shape.m = 301, shape.n = 277, shape.paired = paired;
  return kit::divergence_batch<T>(shape);
}
status compare_on_card(kit::divergence_batch<T>& all) {
  auto const p = all.primitive(jensen_shannon<T>());
  return run_on_card(
      divergence<T, jensen_shannon<T>, dense_teacher<T, T, device_memory>, T, T, device_memory>{
          .teacher = {on_card(p.teacher.logits), on_card(p.teacher.tokens), p.teacher.temperature},
          .student_logits = on_card(p.student_logits),
          .student_tokens = on_card(p.student_tokens),
          .temperature = p.temperature,
          .pairs = on_card(p.pairs),
          .labels = {on_card(p.labels.label)},
          .out = on_card(p.out),
          .cross_entropy = on_card(p.cross_entropy),
          .cross_entropy_weight = p.cross_entropy_weight,
          .gradient = on_card(p.gradient)});
}
void same_bits(kit::divergence_batch<T>& a, kit::divergence_batch<T>& b) {
  CHECK(a.out.same_bits(b.out));
  CHECK(a.cross_entropy.same_bits(b.cross_entropy));
  CHECK(a.gradient.same_bits(b.gradient));
}
/// Two batches, one with something wrong, the other with that absent: one finding, the same bits.
void counts_as_absent(bool paired, std::string const& argument, auto wrong, auto absent) {
  auto all = compared(paired), without = compared(paired);
  wrong(all);
  absent(without);
  CHECK(compare_on_card(all).argument == argument);
  REQUIRE(describe(compare_on_card(without)) == "ok");
  same_bits(all, without);
  CHECK(all.exactly_written());
}
}  // namespace

TEST_CASE("comparisons have the same bits in any order of blocks and threads") {
  for (bool const paired : {false, true}) {
    auto one = compared(paired), other = compared(paired);
    auto const both = [&](auto kind) {
      kit::succeeds<rising>(one.primitive(kind));
      kit::succeeds<falling>(other.primitive(kind));
      same_bits(one, other);
    };
    both(jensen_shannon<T>());
    both(adaptive_kl<T>());
  }
  for (double const step : {0., 0.5}) {
    kit::ranked_shape const shape{.m = 310, .n = 290, .step = step, .given_pairs = true};
    kit::ranked_batch<T, T> one(shape), other(shape);
    kit::succeeds<rising>(one.primitive());
    kit::succeeds<falling>(other.primitive());
    CHECK(one.out.same_bits(other.out));
    CHECK(one.gradient.same_bits(other.gradient));
  }
  for (matching_rule const rule : {matching_rule::greedy, matching_rule::exact}) {
    kit::matching_batch<T, T> one({.k = 30, .bias = 0}), other({.k = 30, .bias = 0});
    one.sum<rising>();
    other.sum<rising>();
    kit::succeeds<rising>(one.primitive(rule));
    kit::succeeds<falling>(other.primitive(rule));
    CHECK(one.ids.same_bits(other.ids));
    CHECK(one.objective.same_bits(other.objective));
  }
}

TEST_CASE("what is wrong with a token or a pair of a divergence is found, and counts as absent") {
  counts_as_absent(
      false, "divergence.student_logits",
      [](auto& all) { all.student(all.student_tokens.row[4], 200) = a_nan; },
      [](auto& all) {
        for (index_t v = 0; v < 277; ++v) all.student(all.student_tokens.row[4], v) = -infinity<T>;
      });
  counts_as_absent(
      false, "divergence.teacher.logits",
      [](auto& all) { all.teacher(all.teacher_tokens.row[3], 300) = infinity<T>; },
      [](auto& all) { all.teacher_tokens.row[3] = -1; });
  counts_as_absent(
      false, "token_rows.row",
      [](auto& all) { all.teacher_tokens.row[3] = all.teacher_tokens.rows + 7; },
      [](auto& all) { all.teacher_tokens.row[3] = -1; });
  counts_as_absent(
      false, "token_rows.row", [](auto& all) { all.student_tokens.row[4] = index_t(1) << 40; },
      [](auto& all) { all.student_tokens.row[4] = -1; });
  counts_as_absent(
      false, "labels", [](auto& all) { all.label(all.student_tokens.row[4]) = 277; },
      [](auto& all) { all.label(all.student_tokens.row[4]) = -100; });
  for (index_t const bad : {index_t(-1), index_t(1) << 40}) {
    auto all = compared(true);
    all.pair_teacher[0] = bad;
    CHECK(compare_on_card(all).argument == std::string("token_pairs"));
    CHECK(all.exactly_written());
  }
}

TEST_CASE("a teacher's column that is no number is found, and has no id") {
  for (matching_rule const rule : {matching_rule::greedy, matching_rule::exact}) {
    kit::matching_batch<T, T> all({});
    all.sum<rising>();
    all.teacher(1, 2) = a_nan;
    status const s = kit::run<rising>(all.primitive(rule));
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == std::string("match_columns.teacher"));
    CHECK(s.row == 0);
    CHECK(all.ids(0, 2) == -1);
    CHECK(all.ids.exactly_written());
  }
}
