// Every bad input answers a status that names the argument and its value, and writes nothing.
#include <limits>

#include "devices.hpp"
#include "loss/random_problem.hpp"
#include "mlot/interop/describe.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;
using mlot::fault;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double endless = std::numeric_limits<double>::infinity();

/// Runs a good batch that `spoil` has made bad, and checks what comes back.
template <class TestType>
struct refusal {
  using T = typename TestType::scalar;
  using device = typename TestType::device;
  owned_loss<T> owned{some_batch()};
  std::vector<std::byte> scratch{mlot::workspace_size(device(), owned.loss)};

  void expect(fault code, std::string const& argument, double value, index_t row = -1,
              index_t column = -1) {
    INFO(argument);
    mlot::status const s = mlot::compute(device(), owned.loss, {scratch.data(), scratch.size()});
    CHECK(s.code == code);
    CHECK(s.argument == argument);
    CHECK(((std::isnan(value) && std::isnan(s.value)) || s.value == value));
    CHECK(s.row == row);
    CHECK(s.column == column);
    CHECK(s.allowed[0] != '\0');
    CHECK(owned.outputs_untouched());
  }
};
template <class TestType>
void refuses(fault code, char const* argument, double value, auto spoil, index_t row = -1,
             index_t column = -1) {
  refusal<TestType> bad;
  spoil(bad.owned);
  bad.expect(code, argument, value, row, column);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("options outside their range are refused by name", "", every_device) {
  auto const option = [](char const* argument, double value, auto set) {
    refuses<TestType>(fault::value, argument, value, [&](auto& o) { set(o.loss, value); });
  };
  using T = typename TestType::scalar;
  for (double const bad : {0., -3.})
    option("multi_level.options.k", bad, [](auto& l, double x) { l.options.k = index_t(x); });
  for (double const bad : {0., -1.})
    option("multi_level.options.iterations", bad,
           [](auto& l, double x) { l.options.iterations = index_t(x); });
  for (double const bad : {0., -1., not_a_number, endless}) {
    option("multi_level.options.temperature", bad, [](auto& l, double x) {
      l.options.temperature = T(x), l.options.teacher_temperature = T(1);
    });
    option("multi_level.options.transport_temperature", bad,
           [](auto& l, double x) { l.options.transport_temperature = T(x); });
    option("multi_level.options.epsilon", bad, [](auto& l, double x) { l.options.epsilon = T(x); });
    option("multi_level.options.divisor", bad, [](auto& l, double x) { l.options.divisor = T(x); });
  }
  for (double const bad : {-1., not_a_number, endless})  // 0 means the student's
    option("multi_level.options.teacher_temperature", bad,
           [](auto& l, double x) { l.options.teacher_temperature = T(x); });
  for (double const bad : {not_a_number, endless, -endless}) {
    option("multi_level.options.alpha", bad, [](auto& l, double x) { l.options.alpha = T(x); });
    option("multi_level.options.holistic", bad,
           [](auto& l, double x) { l.options.holistic = T(x); });
    option("multi_level.options.beta", bad, [](auto& l, double x) { l.options.beta = T(x); });
    option("multi_level.options.gamma", bad, [](auto& l, double x) { l.options.gamma = T(x); });
    option("multi_level.upstream", bad, [](auto& l, double x) { l.upstream = T(x); });
  }
}

TEMPLATE_LIST_TEST_CASE("the scaling domain is refused where it would underflow", "",
                        every_device) {
  using T = typename TestType::scalar;
  refusal<TestType> bad;
  bad.owned.loss.options.domain = mlot::sinkhorn_domain::scaling;
  bad.owned.loss.options.epsilon = T(1e-4);
  bad.scratch.resize(mlot::workspace_size(typename TestType::device(), bad.owned.loss));
  mlot::status const s = mlot::compute(typename TestType::device(), bad.owned.loss,
                                       {bad.scratch.data(), bad.scratch.size()});
  CHECK(s.code == fault::value);
  CHECK(std::string(s.argument).find("domain") != std::string::npos);
  CHECK(s.value > 100);
  CHECK(bad.owned.terms.untouched());
  CHECK(bad.owned.gradient.untouched());
  CHECK(bad.owned.plan.untouched());
  CHECK(bad.owned.sequence_terms.untouched());
  CHECK(bad.owned.outputs_untouched());
}

TEMPLATE_LIST_TEST_CASE("NaN and +inf logits are answered with row and column", "", every_device) {
  using T = typename TestType::scalar;
  for (double const value : {not_a_number, endless})
    for (index_t const column : {0, 1, 8, 18}) {
      refuses<TestType>(
          fault::data, "multi_level.teacher_logits", value,
          [&](auto& o) { o.teacher(3, column) = T(value); }, 3, column);
      refuses<TestType>(
          fault::data, "multi_level.student_logits", value,
          [&](auto& o) { o.student(5, column) = T(value); }, 5, column);
    }
  refuses<TestType>(  // the first of several
      fault::data, "multi_level.student_logits", not_a_number,
      [&](auto& o) {
        o.student(9, 2) = T(endless);
        o.student(2, 11) = T(endless);
        o.student(2, 7) = T(not_a_number);
      },
      2, 7);
  refuses<TestType>(  // in a row that is masked otherwise
      fault::data, "multi_level.student_logits", not_a_number,
      [&](auto& o) {
        for (index_t v = 0; v < 19; ++v) o.student(4, v) = v == 13 ? T(not_a_number) : T(masked);
      },
      4, 13);
}

TEMPLATE_LIST_TEST_CASE("labels past the vocabulary are answered with their row", "",
                        every_device) {
  for (index_t const bad : {-1, -99, 19, 1000}) {
    std::vector<index_t> labels(12, 0);
    labels[2] = bad;
    refuses<TestType>(
        fault::data, "multi_level.labels", double(bad),
        [&](auto& o) {
          o.loss.labels.label = {labels.data(), 12};
        },
        2);
  }
  refuses<TestType>(fault::shape, "multi_level.labels", 11,
                    [](auto& o) { o.loss.labels.label.size = 11; });
  // A row of no token may hold anything.
  refusal<TestType> good;
  std::vector<index_t> labels(12, 3);
  labels[0] = labels[11] = 4711;
  good.owned.loss.labels.label = {labels.data(), 12};
  CHECK(mlot::compute(typename TestType::device(), good.owned.loss,
                      {good.scratch.data(), good.scratch.size()})
            .ok());
}

TEMPLATE_LIST_TEST_CASE("shapes and pointers that do not fit are refused by name", "",
                        every_device) {
  auto const shape = [](char const* argument, double value, auto spoil) {
    refuses<TestType>(fault::shape, argument, value, [&](auto& o) { spoil(o.loss); });
  };
  shape("multi_level.terms", 4, [](auto& l) { l.terms.size = 4; });
  shape("multi_level.terms", 0, [](auto& l) { l.terms.data = nullptr; });
  shape("multi_level.teacher_logits", 0, [](auto& l) { l.teacher_logits.data = nullptr; });
  shape("multi_level.student_logits", 0, [](auto& l) { l.student_logits.data = nullptr; });
  shape("multi_level.student_logits", -1, [](auto& l) { l.student_logits.rows = -1; });
  shape("multi_level.teacher_logits", -2, [](auto& l) { l.teacher_logits.cols = -2; });
  shape("multi_level.gradient", 11, [](auto& l) { l.gradient.rows = 11; });
  shape("multi_level.gradient", 18, [](auto& l) { l.gradient.cols = 18; });
  shape("multi_level.gradient", 3, [](auto& l) { l.gradient.row_stride = 3; });  // rows overlap
  shape("multi_level.sequence_terms", 2, [](auto& l) { l.sequence_terms.rows = 2; });
  shape("multi_level.plan", 11, [](auto& l) { l.plan.rows = 11; });
  shape("multi_level.plan", 4, [](auto& l) { l.plan.cols = 4; });
  shape("multi_level.plan", 12, [](auto& l) { l.options.level = mlot::transport_level::token; });
  shape("multi_level.teacher_columns", 8, [](auto& l) { l.teacher_columns.cols = 8; });
  shape("multi_level.student_columns", 2, [](auto& l) { l.student_columns.rows = 2; });
  shape("multi_level.teacher_transport_columns", 8,
        [](auto& l) { l.teacher_transport_columns.cols = 8; });
  shape("multi_level.student_transport_columns", 2,
        [](auto& l) { l.student_transport_columns.rows = 2; });
  shape("multi_level.teacher_columns", 0, [](auto& l) {
    l.options.matching = mlot::column_matching::given;
    l.teacher_columns = {};
  });
  shape("multi_level.student_transport_columns", 0, [](auto& l) {
    l.options.matching = mlot::column_matching::given;
    l.options.ranking = mlot::transport_ranking::own;
    l.student_transport_columns = {};
  });
}

TEMPLATE_LIST_TEST_CASE("a sentence says which axis, what was given and how many are needed", "",
                        every_device) {
  auto const sentence = [](auto spoil, std::size_t less = 0) {
    refusal<TestType> bad;
    spoil(bad.owned.loss);
    return mlot::describe(mlot::compute(typename TestType::device(), bad.owned.loss,
                                        {bad.scratch.data(), bad.scratch.size() - less}));
  };
  auto const rows = std::to_string(refusal<TestType>().owned.loss.student_logits.rows);
  CHECK(sentence([](auto& l) { l.gradient.rows = 3; }) ==
        "multi_level.gradient: 3 rows given, must be the shape of student_logits: " + rows +
            " rows");
  CHECK(sentence([](auto& l) { l.gradient.cols = 18; }) ==
        "multi_level.gradient: 18 columns given, must be the shape of student_logits: 19 columns");
  CHECK(sentence([](auto& l) { l.terms.size = 4; }) ==
        "multi_level.terms: 4 elements given, must be 5 elements");
  CHECK(sentence([](auto& l) { l.terms.data = nullptr; }) ==
        "multi_level.terms: a null pointer given, must be a pointer that is not null");
  CHECK(sentence([](auto& l) { l.teacher_tokens = {}; }) ==
        "multi_level.teacher_tokens: 0 sequences given, must be as many as student_tokens has: "
        "3 sequences");
  auto const size = refusal<TestType>().scratch.size();
  CHECK(sentence([](auto&) {}, size - 1) ==
        "compute.scratch: 1 byte given, must be at least workspace_size(device, p): " +
            std::to_string(size) + " bytes");
}

TEMPLATE_LIST_TEST_CASE("given columns past the vocabulary are answered with their place", "",
                        every_device) {
  for (bool const teacher : {false, true}) {
    auto const p = some_batch();
    refusal<TestType> bad;
    auto const& of = oracle::multi_level(p);
    bad.owned.give_columns(of);
    auto& ids = teacher ? bad.owned.teacher_columns : bad.owned.student_columns;
    ids(1, 4) = teacher ? 23 : 19;
    mlot::status const s = mlot::compute(typename TestType::device(), bad.owned.loss,
                                         {bad.scratch.data(), bad.scratch.size()});
    CHECK(s.code == fault::data);
    CHECK(s.argument ==
          std::string(teacher ? "multi_level.teacher_columns" : "multi_level.student_columns"));
    CHECK(s.value == (teacher ? 23 : 19));
    CHECK(s.row == 1);
    CHECK(s.column == 4);
    CHECK(bad.owned.terms.untouched());
    CHECK(bad.owned.gradient.untouched());
    CHECK(bad.owned.plan.untouched());
    CHECK(bad.owned.sequence_terms.untouched());
  }
}

TEMPLATE_LIST_TEST_CASE("token rows and pairs that do not fit are refused by name", "",
                        every_device) {
  std::vector<index_t> offset{0, 4, 6}, falling{0, 4, 3, 12},
      row{1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 99};
  auto const shape = [](char const* argument, double value, auto spoil) {
    refuses<TestType>(fault::shape, argument, value, [&](auto& o) { spoil(o.loss); });
  };
  shape("multi_level.teacher_tokens", 2, [&](auto& l) {
    l.teacher_tokens = {{offset.data(), 3}, {row.data(), 6}, 4};  // 2 sequences against 3
  });
  shape("multi_level.teacher_tokens", -1, [&](auto& l) {
    l.teacher_tokens.offset = {falling.data(), 4};
  });
  shape("multi_level.teacher_tokens", 99, [&](auto& l) {
    l.teacher_tokens.row = {row.data(), 12};
  });
  shape("multi_level.student_tokens", 4, [](auto& l) { l.student_tokens.longest = 4; });
  std::vector<index_t> pair_offset{0, 1, 1, 2}, first{0, 0}, second{0, 3}, outside{0, 4};
  shape("multi_level.pairs", 3, [&](auto& l) {
    l.pairs = {{pair_offset.data(), 3}, {first.data(), 2}, {first.data(), 2}};
  });
  shape("multi_level.pairs", 2, [&](auto& l) {
    l.pairs = {{pair_offset.data(), 4}, {first.data(), 2}, {first.data(), 1}};
  });
  shape("multi_level.pairs", 2, [&](auto& l) {
    l.pairs = {{pair_offset.data(), 4}, {first.data(), 2}, {first.data(), 2}};
    l.options.level = mlot::transport_level::token;
    l.plan = {};
  });
  refuses<TestType>(fault::data, "multi_level.pairs", 3, [&](auto& o) {
    o.loss.pairs = {{pair_offset.data(), 4}, {first.data(), 2}, {second.data(), 2}};
  });
  refuses<TestType>(fault::data, "multi_level.pairs", 6, [&](auto& o) {
    outside[1] = 6;
    o.loss.pairs = {{pair_offset.data(), 4}, {outside.data(), 2}, {first.data(), 2}};
  });
}

TEMPLATE_LIST_TEST_CASE("a workspace one byte too small is refused", "", every_device) {
  typename TestType::device const device;
  refusal<TestType> bad;
  REQUIRE(bad.scratch.size() > 0);
  for (std::size_t const less : {std::size_t(1), bad.scratch.size()}) {
    bad.scratch.resize(mlot::workspace_size(device, bad.owned.loss) - less);
    bad.expect(fault::workspace, "compute.scratch", double(bad.scratch.size()));
  }
  mlot::status const s = mlot::compute(device, bad.owned.loss, {nullptr, std::size_t(1) << 30});
  CHECK(s.code == fault::workspace);
  CHECK(bad.owned.outputs_untouched());
}
