// A teacher ranked once and read many times: the loss on its tables has the bits of the loss on its
// logits.
#include <limits>

#include "loss/random_problem.hpp"
#include "run.hpp"
namespace {
using namespace loss_test;
using mlot::fault;
using oracle::column_rule;

/// The tables of a problem's teacher, K columns wide, as they are stored.
template <class T, mlot::storage S>
struct owned_tables {
  kit::framed<T> logits, transport_logits, normaliser;
  kit::framed<index_t> ids, transport_ids;
  mlot::rank_teacher<T, S> ranking;

  template <class Owned>
  owned_tables(Owned& of, index_t k)
      : logits(of.loss.teacher_tokens.tokens(), k, {1, 3, 1}),
        transport_logits(logits.rows(), k),
        normaliser(logits.rows(), 3, {3, 0, 2}),
        ids(of.loss.sequences(), k),
        transport_ids(of.loss.sequences(), k),
        ranking{.teacher_logits = of.loss.teacher_logits,
                .teacher_tokens = of.loss.teacher_tokens,
                .temperature = of.loss.teacher_temperature(),
                .transport_temperature = of.loss.options.transport_temperature,
                .logits = logits.matrix(),
                .normaliser = normaliser.matrix(),
                .ids = ids.matrix(),
                .transport_logits = {},
                .transport_ids = {}} {
    if (of.loss.options.ranking != mlot::transport_ranking::own) return;
    ranking.transport_logits = transport_logits.matrix();
    ranking.transport_ids = transport_ids.matrix();
  }
  bool untouched() const {
    return logits.untouched() && transport_logits.untouched() && normaliser.untouched() &&
           ids.untouched() && transport_ids.untouched();
  }
};

/// Row i of the tables is token i; an absent one stays absent.
class table_rows {
 public:
  explicit table_rows(mlot::token_rows<> const& tokens) : of_(tokens) {
    for (index_t i = 0; i < tokens.tokens(); ++i) row_.push_back(tokens.row(i) < 0 ? -1 : i);
  }
  mlot::token_rows<> view() const { return {of_.offset, {row_.data(), of_.tokens()}, of_.longest}; }

 private:
  mlot::token_rows<> of_;
  std::vector<index_t> row_;
};

/// The teacher's tables in the place of its logits.
template <class Owned, class Kept>
void give(Owned& to, Kept const& kept, table_rows& rows) {
  to.loss.teacher_logits = {};
  to.loss.teacher_tokens = rows.view();
  to.loss.teacher_columns = to.loss.teacher_transport_columns = {};
  to.loss.ranked_teacher = kept;
}

template <class Owned>
void check_same_answers(Owned const& left, Owned const& right) {
  CHECK(left.terms.same_bits(right.terms));
  CHECK(left.gradient.same_bits(right.gradient));
  CHECK(left.sequence_terms.same_bits(right.sequence_terms));
  CHECK(left.plan.same_bits(right.plan));
  CHECK(left.student_columns.same_bits(right.student_columns));
}

template <class TestType>
constexpr std::uint64_t seeds = kit::is_emulated<typename TestType::device> ? 8 : 60;
}  // namespace

TEMPLATE_LIST_TEST_CASE("ranked teacher: the loss has the bits that it has on logits", "",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  for (std::uint64_t seed = 1; seed <= seeds<TestType>; ++seed) {
    INFO("seed " << seed);
    random_source random(1000 + seed);
    auto p = random_problem(seed);
    p.rule = column_rule(random.below(3));
    owned_loss<T> dense(p), stored(p);
    REQUIRE(dense.run(device()).ok());

    index_t const least = std::min(index_t(p.k), index_t(p.teacher.cols));
    owned_tables<T, T> tables(dense, least + random.below(5));
    kit::succeeds<device>(tables.ranking);
    for (index_t b = 0; b < dense.loss.sequences(); ++b)
      for (index_t l = 0; l < least; ++l) CHECK(tables.ids(b, l) == dense.teacher_columns(b, l));

    table_rows rows(dense.loss.teacher_tokens);
    give(stored, tables.ranking.kept(), rows);
    REQUIRE(mlot::describe(stored.run(device())) == "ok");
    check_same_answers(stored, dense);
    CHECK(stored.teacher_columns.untouched());
    CHECK(tables.logits.exactly_written());
    CHECK(tables.normaliser.exactly_written());
    CHECK(tables.transport_ids.untouched() == !p.own_transport_ranking);
  }
}

TEMPLATE_LIST_TEST_CASE("ranked teacher: tables of two bytes hold logits of two bytes", "",
                        every_device) {
  using device = typename TestType::device;
  if constexpr (std::is_same_v<typename TestType::scalar, float>) {
    auto const compare = []<class S>(S) {
      auto p = stored_as<S, S>(some_batch(3));
      p.own_transport_ranking = true;
      owned_loss<float, S> dense(p), stored(p);
      REQUIRE(dense.run(device()).ok());
      owned_tables<float, S> tables(dense, p.k);
      kit::succeeds<device>(tables.ranking);
      auto const narrow = [](kit::framed<float>& from) {
        kit::framed<S> to(from.rows(), from.cols());
        kit::fill(to, [&](index_t i, index_t l) { return mlot::store_as<S>(from(i, l)); });
        return to;
      };
      auto logits = narrow(tables.logits), transport_logits = narrow(tables.transport_logits);
      mlot::ranked_teacher<float, S> const kept{.vocabulary = index_t(p.teacher.cols),
                                                .logits = logits.matrix(),
                                                .transport_logits = transport_logits.matrix(),
                                                .normaliser = tables.normaliser.matrix()};
      table_rows rows(dense.loss.teacher_tokens);
      give(stored, kept, rows);
      REQUIRE(stored.run(device()).ok());
      check_same_answers(stored, dense);
    };
    compare(mlot::half());
    compare(mlot::bfloat16());
  }
}

TEMPLATE_LIST_TEST_CASE("ranked teacher: a batch takes its rows from a file of many sequences", "",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  auto const all = batch_of(5, {4, 3, 6, 2}, {5, 4, 3, 1}, 23, 19);
  owned_loss<T> whole(all);
  owned_tables<T, T> tables(whole, all.k);
  kit::succeeds<device>(tables.ranking);

  auto part = all;
  part.teacher_rows = {all.teacher_rows[1], all.teacher_rows[3]};
  part.student_rows = {all.student_rows[1], all.student_rows[3]};
  owned_loss<T> dense(part), stored(part);
  REQUIRE(dense.run(device()).ok());
  index_t const offset[] = {0, 3, 5}, row[] = {4, 5, 6, 13, 14};
  table_rows rows(dense.loss.teacher_tokens);
  give(stored, tables.ranking.kept(), rows);
  stored.loss.teacher_tokens = {{offset, 3}, {row, 5}, 3};
  REQUIRE(stored.run(device()).ok());
  check_same_answers(stored, dense);
}

TEMPLATE_LIST_TEST_CASE("ranked teacher: rows that are no distribution are ordinary", "",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  auto p = some_batch();
  for (std::size_t v = 0; v < p.teacher.cols; ++v) p.teacher(2, v) = masked;
  owned_loss<T> dense(p), stored(p);
  REQUIRE(dense.run(device()).ok());
  owned_tables<T, T> tables(dense, 30);  // past the vocabulary of 23
  kit::succeeds<device>(tables.ranking);
  CHECK(tables.ids(0, 22) >= 0);
  CHECK(tables.ids(0, 23) == -1);
  CHECK(tables.normaliser(1, 0) == -std::numeric_limits<T>::infinity());
  CHECK(tables.normaliser(1, 1) == T(0));
  table_rows rows(dense.loss.teacher_tokens);
  give(stored, tables.ranking.kept(), rows);
  REQUIRE(stored.run(device()).ok());
  check_same_answers(stored, dense);
}

TEMPLATE_LIST_TEST_CASE("ranked teacher: what does not fit is answered and nothing is written", "",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();
  auto const p = some_batch();
  auto const refuses = [&](fault code, char const* argument, auto spoil) {
    INFO(argument);
    owned_loss<T> owned(p);
    owned_tables<T, T> tables(owned, p.k);
    kit::succeeds<device>(tables.ranking);
    table_rows rows(owned.loss.teacher_tokens);
    give(owned, tables.ranking.kept(), rows);
    spoil(owned, tables);
    mlot::status const s = owned.run(device());
    CHECK(s.code == code);
    CHECK(s.argument == std::string(argument));
    CHECK(s.allowed[0] != '\0');
    CHECK(owned.outputs_untouched());
  };
  refuses(fault::value, "multi_level.options.teacher_temperature",
          [](auto& o, auto&) { o.loss.options.teacher_temperature = T(2); });
  refuses(fault::value, "multi_level.options.transport_temperature",
          [](auto& o, auto&) { o.loss.options.transport_temperature = T(3); });
  refuses(fault::shape, "multi_level.teacher_logits",
          [](auto& o, auto&) { o.loss.teacher_logits = o.teacher.matrix(); });
  refuses(fault::shape, "multi_level.teacher_columns",
          [](auto& o, auto&) { o.loss.teacher_columns = o.teacher_columns.matrix(); });
  refuses(fault::shape, "multi_level.teacher_tokens",
          [](auto& o, auto&) { --o.loss.ranked_teacher.normaliser.rows; });
  refuses(fault::shape, "ranked_teacher.logits",
          [](auto& o, auto&) { --o.loss.ranked_teacher.logits.cols; });
  refuses(fault::shape, "ranked_teacher.transport_logits",
          [](auto& o, auto&) { o.loss.options.ranking = mlot::transport_ranking::own; });
  refuses(fault::value, "ranked_teacher.vocabulary",
          [](auto& o, auto&) { o.loss.ranked_teacher.vocabulary = -1; });
  refuses(fault::data, "ranked_teacher.logits",
          [](auto&, auto& t) { t.logits(3, 2) = not_a_number; });
  refuses(fault::data, "ranked_teacher.logits",
          [](auto&, auto& t) { t.logits(3, 0) = t.normaliser(3, 0) + T(1); });
  refuses(fault::data, "ranked_teacher.normaliser",
          [](auto&, auto& t) { t.normaliser(5, 0) = std::numeric_limits<T>::infinity(); });
  for (T const bad : {T(0), T(-1), not_a_number, std::numeric_limits<T>::infinity()})
    refuses(fault::data, "ranked_teacher.normaliser",
            [&](auto&, auto& t) { t.normaliser(5, 2) = bad; });
}

TEMPLATE_LIST_TEST_CASE("rank_teacher: what does not fit is answered and nothing is written", "",
                        every_device) {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  auto p = some_batch();
  p.own_transport_ranking = true;
  owned_loss<T> owned(p);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    owned_tables<T, T> tables(owned, 9);
    kit::refuses<device>(tables.ranking, code, argument, change);
    CHECK(tables.untouched());
  };
  refuses(fault::value, "rank_teacher.temperature", [](auto& r) { r.temperature = T(0); });
  refuses(fault::value, "rank_teacher.transport_temperature",
          [](auto& r) { r.transport_temperature = T(-1); });
  refuses(fault::shape, "rank_teacher.logits", [](auto& r) { r.logits.cols = 0; });
  refuses(fault::shape, "rank_teacher.logits", [](auto& r) { --r.logits.rows; });
  refuses(fault::shape, "rank_teacher.normaliser", [](auto& r) { r.normaliser.cols = 2; });
  refuses(fault::shape, "rank_teacher.ids", [](auto& r) { --r.ids.cols; });
  refuses(fault::shape, "rank_teacher.transport_logits",
          [](auto& r) { --r.transport_logits.cols; });
  refuses(fault::shape, "rank_teacher.transport_ids", [](auto& r) { r.transport_logits = {}; });
  owned.teacher(7, 4) = std::numeric_limits<T>::quiet_NaN();
  if (!kit::is_emulated<device>)  // kernels write all the same
    refuses(fault::data, "rank_teacher.teacher_logits", [](auto&) {});
}
