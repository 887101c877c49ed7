#include "primitive/match_columns_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
constexpr matching_rule both_rules[] = {matching_rule::greedy, matching_rule::exact};

template <class T>
double allowed() {
  return std::is_same_v<T, float> ? 1e-5 : 1e-12;
}
template <class TestType>
using batch_of = kit::matching_batch<typename TestType::scalar, typename TestType::storage>;

/// Runs both rules; checks every sequence.
template <class TestType>
void check(batch_of<TestType>& all) {
  using Device = typename TestType::device;
  all.template sum<Device>();
  for (matching_rule const rule : both_rules) {
    all.ids.clear(), all.objective.clear();
    kit::succeeds<Device>(all.primitive(rule));
    REQUIRE(all.ids.exactly_written());
    REQUIRE(all.objective.exactly_written());
    for (index_t b = 0; b < all.tokens.sequences(); ++b) {
      CAPTURE(b, int(rule));
      CHECK(all.error(b, rule) <= allowed<typename TestType::scalar>());
    }
  }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("columns take the ids that they should, at every length and layout",
                        "[match_columns]", every_storage) {
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) {
      CAPTURE(vocabulary, where.step);
      batch_of<TestType> all({.vocabulary = vocabulary, .where = where}, std::uint64_t(vocabulary));
      check<TestType>(all);
    }
}

TEMPLATE_LIST_TEST_CASE("columns take the ids that they should, in random batches",
                        "[match_columns]", every_storage) {
  random_source random(3);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::vector<index_t> teacher, student;
    for (index_t b = random.below(3); b >= 0; --b) {
      teacher.push_back(random.below(seed % 5 == 0 ? 90 : 12));
      student.push_back(random.below(seed % 5 == 0 ? 90 : 12));
    }
    CAPTURE(seed);
    batch_of<TestType> all({.teacher_lengths = teacher,
                            .student_lengths = student,
                            .k = 1 + random.below(30),
                            .vocabulary = 1 + random.below(300),
                            .scale = random.uniform(0.1, 4),
                            .temperature = random.uniform(0.5, 4),
                            .bias = random.uniform(0, 1.5),
                            .paired = random.below(3) == 0},
                           seed);
    check<TestType>(all);
  }
}

TEMPLATE_LIST_TEST_CASE("passing over ids changes nothing", "[match_columns]", every_storage) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  random_source random(4);
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    batch_of<TestType> all({.teacher_lengths = {9, 40, 3},
                            .student_lengths = {12, 33, 5},
                            .k = 1 + random.below(20),
                            .vocabulary = 1500 + random.below(3000),
                            .scale = random.uniform(0.1, 2),
                            .bias = random.uniform(0, 1.5),
                            .paired = seed % 3 == 0},
                           seed);
    all.template sum<Device>();
    for (matching_rule const rule : both_rules) {
      all.ids.clear(), all.objective.clear();
      auto every = all.primitive(rule);
      every.mass = {};
      kit::succeeds<Device>(every);
      kit::framed<index_t> ids(3, all.of.k);
      kit::framed<T> objective(3);
      auto few = all.primitive(rule);
      few.ids = ids.matrix(), few.objective = objective.vector();
      kit::succeeds<Device>(few);
      CHECK(ids.same_bits(all.ids));
      CHECK(objective.same_bits(all.objective));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("long searches give the same bits for any number of threads",
                        "[match_columns]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (double const bias : {0., 1.}) {  // every block, and some of them
    auto const answers = [&](int threads, matching_rule rule) {
      kit::thread_count const set(threads);
      auto all = std::make_unique<kit::matching_batch<T, T>>(
          typename kit::matching_batch<T, T>::shape{.teacher_lengths = {40, 35},
                                                    .student_lengths = {40, 50},
                                                    .k = 12,
                                                    .vocabulary = 2500,
                                                    .bias = bias});
      all->template sum<Device>();
      kit::succeeds<Device>(all->primitive(rule));
      return all;
    };
    for (matching_rule const rule : both_rules) {
      auto const one = answers(1, rule);
      for (int const threads : {2, 3, 16}) {
        auto const several = answers(threads, rule);
        CHECK(several->ids.same_bits(one->ids));
        CHECK(several->objective.same_bits(one->objective));
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("ids whose costs equal their bound up to rounding are not passed over",
                        "[match_columns]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  // Every id has the same probabilities in another order, all below the teacher's: its cost is the
  // bound itself, and the same for all, but for rounding.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    index_t const length = 24, vocabulary = 125 * length;
    kit::matching_batch<T, T> all({.teacher_lengths = {length + 1},  // one is absent
                                   .student_lengths = {length + 1},
                                   .k = 5,
                                   .vocabulary = vocabulary});
    random_source random(seed);
    std::vector<double> z(std::size_t(length), 0);
    for (double& x : z) x = random.normal();
    kit::fill(all.logits,
              [&](index_t r, index_t v) { return T(z[std::size_t((r + v) % length)]); });
    kit::fill(all.teacher, [&](index_t, index_t) { return T(random.uniform(0.02, 0.1)); });
    all.template sum<Device>();
    auto every = all.primitive(matching_rule::greedy);
    every.mass = {};
    kit::succeeds<Device>(every);
    kit::framed<index_t> ids(1, 5);
    auto few = all.primitive(matching_rule::greedy);
    few.ids = ids.matrix();
    kit::succeeds<Device>(few);
    CAPTURE(seed);
    CHECK(ids.same_bits(all.ids));
  }
}

TEMPLATE_LIST_TEST_CASE("equal costs go to the lower id", "[match_columns]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  using Device = typename TestType::device;
  for (index_t const vocabulary : {7, 16, 33, 127, 1500})
    for (index_t const kinds : {1, 2, 3}) {  // ids v and v + kinds have the same logits
      kit::matching_batch<T, S> all({.teacher_lengths = {6, 2, 0},
                                     .student_lengths = {5, 2, 4},
                                     .k = 5,
                                     .vocabulary = vocabulary},
                                    std::uint64_t(kinds));
      for (index_t r = 0; r < all.logits.rows(); ++r)
        for (index_t v = kinds; v < vocabulary; ++v) all.logits(r, v) = all.logits(r, v - kinds);
      all.template sum<Device>();
      kit::succeeds<Device>(all.primitive(matching_rule::greedy));
      for (index_t b = 0; b < 3; ++b) {
        CAPTURE(vocabulary, kinds, b);
        std::vector<index_t> next(std::size_t(kinds), 0);  // of every kind the ids come in order
        for (index_t c = 0; c < kinds; ++c) next[std::size_t(c)] = c;
        if (b == 2)  // no pairs: all costs are 0
          for (index_t l = 0; l < 5; ++l) CHECK(all.ids(b, l) == l);
        for (index_t l = 0; l < 5 && b < 2; ++l) {
          index_t const v = all.ids(b, l);
          REQUIRE(v >= 0);
          CHECK(v == next[std::size_t(v % kinds)]);
          next[std::size_t(v % kinds)] += kinds;
        }
      }
    }
}

TEMPLATE_LIST_TEST_CASE("one token, no tokens and no columns are ordinary", "[match_columns]",
                        every_storage) {
  using lengths = std::vector<index_t>;
  for (auto const& [teacher, student] : {std::pair{lengths{1}, lengths{1}},
                                         {lengths{0}, lengths{4}},
                                         {lengths{4}, lengths{0}},
                                         {lengths{0, 0}, lengths{0, 0}},
                                         {lengths{}, lengths{}},
                                         {lengths{1, 8}, lengths{8, 1}}})
    for (index_t const k : {0, 1, 7, 12}) {
      CAPTURE(teacher.size(), k);
      batch_of<TestType> all(
          {.teacher_lengths = teacher, .student_lengths = student, .k = k, .vocabulary = 12});
      check<TestType>(all);
    }
}

TEMPLATE_LIST_TEST_CASE("more columns than ids leave those without that should be",
                        "[match_columns]", every_storage) {
  for (index_t const vocabulary : {0, 1, 3, 17, 29})
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      CAPTURE(vocabulary, seed);
      batch_of<TestType> all({.k = 30, .vocabulary = vocabulary, .scale = 3}, seed);
      check<TestType>(all);
      index_t left = 0;  // by exact, which came last
      for (index_t l = 0; l < 30; ++l) left += all.ids(0, l) < 0;
      CHECK(left == 30 - vocabulary);
    }
}

TEMPLATE_LIST_TEST_CASE("masked ids are ids of probability 0", "[match_columns]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  random_source random(6);
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    batch_of<TestType> all({.k = 9, .vocabulary = seed % 2 == 0 ? 11 : 700}, seed);
    for (index_t r = 0; r < all.logits.rows(); ++r)
      for (index_t v = 0; v < all.of.vocabulary; ++v)
        if (v % 3 == 0 || random.below(4) == 0 || r == 3)
          all.logits(r, v) = store_as<S>(T(-infinity<T>));
    check<TestType>(all);
  }
}

TEMPLATE_LIST_TEST_CASE("a temperature for each token is that token's", "[match_columns]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::matching_batch<T, T> one({.vocabulary = 200}), each({.vocabulary = 200});
  kit::framed<T> temperature(one.tokens.count());
  kit::fill(temperature, [](index_t, index_t i) { return T(1) + T(i % 3); });
  // The same probabilities from logits that are as many times larger.
  for (index_t i = 0; i < each.tokens.count(); ++i)
    if (index_t const r = each.tokens.row[std::size_t(i)]; r >= 0)
      for (index_t v = 0; v < 200; ++v) each.logits(r, v) *= temperature(i);
  one.template sum<Device>();
  kit::succeeds<Device>(
      vocabulary_mass<T, T, host_memory>{.logits = each.logits.matrix(),
                                         .tokens = each.tokens.view(),
                                         .maximum = each.maximum.vector(),
                                         .at = {{mlot::host::vector<T const>(temperature.vector()),
                                                 each.partition.vector(), each.mass.matrix()}}});
  for (matching_rule const rule : both_rules) {
    auto p = each.primitive(rule);
    p.temperature = mlot::host::vector<T const>(temperature.vector());
    kit::succeeds<Device>(p);
    kit::succeeds<Device>(one.primitive(rule));
    CHECK(each.ids.same_bits(one.ids));
  }
}

TEMPLATE_LIST_TEST_CASE("costs that are no numbers are answered, not matched", "[match_columns]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (matching_rule const rule : both_rules) {
    kit::matching_batch<T, T> all({.vocabulary = 50});
    all.template sum<Device>();
    all.teacher(6, 2) = std::numeric_limits<T>::quiet_NaN();  // of the third sequence
    status const answer = kit::run<Device>(all.primitive(rule));
    CHECK(int(answer.code) == int(fault::data));
    CHECK(std::string(answer.argument) == "match_columns.teacher");
    CHECK(answer.row == 2);
  }
}

TEMPLATE_LIST_TEST_CASE("match_columns: wrong arguments are named and nothing is written",
                        "[match_columns]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::matching_batch<T, T> all({});
  all.template sum<Device>();
  auto const right = all.primitive(matching_rule::exact);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<Device>(right, fault::shape, argument, change);
  };
  refuses("match_columns.teacher", [](auto& p) { p.teacher.data = nullptr; });
  refuses("match_columns.teacher_offset", [](auto& p) { p.teacher_offset.size = 3; });
  refuses("match_columns.teacher_offset", [](auto& p) { p.teacher.rows -= 1; });
  refuses("match_columns.logits", [](auto& p) { p.logits.data = nullptr; });
  refuses("match_columns.tokens", [](auto& p) { p.tokens.longest = 3; });
  refuses("match_columns.maximum", [](auto& p) { p.maximum.size = 1; });
  refuses("match_columns.partition", [](auto& p) { p.partition.data = nullptr; });
  refuses("match_columns.mass", [](auto& p) { p.mass.cols = 39; });
  refuses("match_columns.ids", [](auto& p) { p.ids.cols = 5; });
  refuses("match_columns.ids", [](auto& p) { p.ids.data = nullptr; });
  refuses("match_columns.objective", [](auto& p) { p.objective.size = 4; });
  refuses("match_columns.pairs", [&](auto& p) { p.pairs = {{all.pair_offset.data(), 1}, {}, {}}; });
  kit::refuses<Device>(right, fault::value, "match_columns.temperature",
                       [](auto& p) { p.temperature = T(0); });
  CHECK(all.ids.untouched());
  CHECK(all.objective.untouched());
}
