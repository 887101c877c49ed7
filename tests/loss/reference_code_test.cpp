// The preset against runs of the authors' code (tests/golden/README.md), and against its formulas
// in long double where there is no run: both vocabularies small, windows longer than the columns.
#include "mlot/loss/reference_code.hpp"

#include "devices.hpp"
#include "golden/npz.hpp"
#include "loss/kept_problem.hpp"
#include "mlot/loss/answer_windows.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;

/// (B, positions, V) as a framed (B positions, V) matrix.
template <class T>
kit::framed<T> logits_of(golden::array const& a) {
  kit::framed<T> rows(a.shape[0] * a.shape[1], a.shape[2]);
  kit::fill(rows,
            [&](index_t i, index_t j) { return T(a.values[std::size_t(i * a.shape[2] + j)]); });
  return rows;
}
std::vector<std::vector<double>> rows_of(golden::array const& a) {
  std::vector<std::vector<double>> rows;
  for (auto at = a.values.begin(); at != a.values.end(); at += a.shape.back())
    rows.emplace_back(at, at + a.shape.back());
  return rows;
}

struct labels_of {
  std::vector<index_t> values;
  mlot::host::matrix<index_t const> view;
  explicit labels_of(golden::array const& a)
      : values(a.values.begin(), a.values.end()),
        view{values.data(), a.shape[0], a.shape[1], a.shape[1]} {}
};

/// Weights that leave one part alone, or the whole distillation loss.
struct part {
  char const* gradient;
  double difference, logarithm, transport, weight;
};

/// One case with memory behind it.
template <class T>
struct authors_case {
  golden::npz const& c;
  labels_of teacher_labels{c["teacher_targets"]}, student_labels{c["student_targets"]};
  bool skip_teacher = c.whole("skip_teacher_eos") != 0;
  bool skip_student = c.whole("skip_student_eos") != 0;
  index_t length = std::max(mlot::longest_window(teacher_labels.view, -100, skip_teacher),
                            mlot::longest_window(student_labels.view, -100, skip_student));
  index_t sequences = student_labels.view.rows;
  std::vector<index_t> memory =
      std::vector<index_t>(std::size_t(sequences * length * 4 + 4 * sequences + 4));
  mlot::token_rows<> teacher_windows{}, student_windows{};
  mlot::token_pairs<> pairs{};
  kit::framed<T> teacher = logits_of<T>(c["teacher_logits"]);
  kit::framed<T> student = logits_of<T>(c["student_logits"]);
  kit::framed<T> gradient{student.rows(), student.cols()}, terms{5};
  bool greedy = c.has("student_match");
  index_t width = index_t(c.values("teacher_rank").size());
  kit::framed<index_t> teacher_columns{1, width};
  kit::framed<index_t> student_columns{greedy ? sequences : 1, width};

  explicit authors_case(golden::npz const& from) : c(from) {
    auto at = memory.data();
    auto const take = [&](index_t size) {
      at += size;
      return mlot::host::vector<index_t>{at - size, size};
    };
    index_t const tokens = sequences * length;
    auto const teacher_offset = take(sequences + 1), teacher_row = take(tokens);
    auto const student_offset = take(sequences + 1), student_row = take(tokens);
    REQUIRE(mlot::rows_from_windows(teacher_labels.view, -100, skip_teacher, length,
                                    {teacher_offset, teacher_row}, teacher_windows)
                .ok());
    REQUIRE(mlot::rows_from_windows(student_labels.view, -100, skip_student, length,
                                    {student_offset, student_row}, student_windows)
                .ok());
    auto const pair_offset = take(sequences + 1), pair_teacher = take(tokens);
    REQUIRE(mlot::pairs_from_windows(teacher_labels.view, skip_teacher, student_labels.view,
                                     skip_student, -100, pair_offset, pair_teacher, take(tokens),
                                     pairs)
                .ok());
  }
  mlot::reference_code<T> loss(part const& of) {
    return {.teacher_logits = teacher.matrix(),
            .student_logits = student.matrix(),
            .teacher_windows = teacher_windows,
            .student_windows = student_windows,
            .pairs = pairs,
            .matching = greedy ? mlot::reference_matching::greedy : mlot::reference_matching::own,
            .teacher_temperature = T(c.number("teacher_temperature")),
            .student_temperature = T(c.number("student_temperature")),
            .weight = T(of.weight),
            .difference_weight = T(of.difference),
            .logarithm_weight = T(of.logarithm),
            .transport_weight = T(of.transport),
            .terms = terms.vector(),
            .gradient = gradient.matrix(),
            .teacher_columns = teacher_columns.matrix(),
            .student_columns = student_columns.matrix()};
  }
  template <class Device>
  mlot::status compute(Device device, mlot::reference_code<T> const& loss) {
    gradient.clear(), terms.clear(), teacher_columns.clear(), student_columns.clear();
    std::vector<std::byte> scratch(mlot::workspace_size(device, loss));
    return kit::in_the_end<Device>(mlot::compute(device, loss, {scratch.data(), scratch.size()}));
  }
  template <class Device>
  void run(Device device, part const& of) {
    REQUIRE(compute(device, loss(of)).ok());
    CHECK(gradient.exactly_written());
    CHECK(terms.exactly_written());
    CHECK(teacher_columns.exactly_written());
    CHECK(student_columns.exactly_written());
  }
};

/// A ranking has as many columns as the vocabulary; those behind must be missing ones.
double columns_error(kit::framed<index_t>& x, golden::array const& reference) {
  golden::array const one_row{{1, reference.shape.back()}, reference.values};
  auto expected = rows_of(reference.shape.size() == 1 ? one_row : reference);
  REQUIRE(index_t(expected.size()) == x.rows());
  for (auto& ids : expected) ids.resize(std::size_t(x.cols()), -1);
  return difference_of(x, expected);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every run of the authors' code is met, each part alone", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto const cases = golden::all_of("authors_");
  CHECK(cases.size() == 15);
  // float promises the terms and the gradient of the whole; the two weak parts are 1e-3 to 1e-7 of
  // it, differences of nearly equal numbers, so their gradients are held to account in double.
  constexpr bool exact = sizeof(T) == 8;
  // Kernels sum in float, host devices wider.
  constexpr bool sums_in_float = kit::is_emulated<typename TestType::device>;
  constexpr double tolerance = exact ? 1e-9 : sums_in_float ? 2e-5 : 1e-5;
  for (golden::npz const& c : cases) {
    authors_case<T> run(c);
    for (part const& of : {part{"grad_dist64", 1, 0.1, 0.1, c.number("distillation_weight")},
                           part{"grad_had64", 1, 0, 0, 1}, part{"grad_kl64", 0, 1, 0, 1},
                           part{"grad_sd64", 0, 0, 1, 1}}) {
      INFO(c.name() << " " << of.gradient);
      run.run(typename TestType::device(), of);
      CHECK(difference_of(run.terms(1), c.number("had64")) <= tolerance);
      CHECK(difference_of(run.terms(2), c.number("kl64")) <= tolerance);
      CHECK(difference_of(run.terms(3), c.number("sd64")) <= tolerance);
      if (of.difference + of.logarithm > 1)
        CHECK(difference_of(run.terms(4), c.number("dist64")) <= tolerance);
      CHECK(run.terms(0) == T(0));
      CHECK(columns_error(run.teacher_columns, c["teacher_rank"]) == 0);
      CHECK(columns_error(run.student_columns, c[run.greedy ? "student_match" : "student_rank"]) ==
            0);
      if (c.has(of.gradient) && (exact || of.difference > 0))
        CHECK(difference_of(run.gradient, rows_of(c[of.gradient])) <= tolerance);
    }
  }
}

namespace {
template <class T>
struct owned_code : kept_memory<T> {
  mlot::reference_code<T> loss;
  owned_code(oracle::kept_problem const& p, oracle::kept_result const& expected)
      : kept_memory<T>(p, expected) {
    this->lend_to(loss, p);
    loss.teacher_windows = this->teacher_rows.view();
    loss.student_windows = this->student_rows.view();
    if (p.rule == oracle::kept_rule::greedy) loss.matching = mlot::reference_matching::greedy;
    loss.teacher_temperature = T(p.teacher_temperature);
    loss.student_temperature = T(p.student_temperature);
  }
};
/// Whether the type ranks as the oracle does, and if so, whether everything agrees.
template <class Device, class T>
bool agrees(oracle::kept_problem const& p) {
  constexpr bool exact = sizeof(T) == 8;
  auto const expected = oracle::kept_loss(p);
  if (expected.gap < (exact ? 1e-12L : 1e-4L)) return false;
  owned_code<T> owned(p, expected);
  REQUIRE(owned.compute(Device(), owned.loss).ok());
  for (index_t c = 0; c < 5; ++c)
    CHECK(difference_of(owned.terms(c), expected.terms[std::size_t(c)]) <= (exact ? 1e-10 : 2e-5));
  CHECK(gradient_share(owned.gradient, p, expected) <= (exact ? 1 : 2));
  CHECK(differing_columns(owned.teacher_columns, expected.teacher_columns, p, owned.teacher_rows) ==
        0);
  CHECK(differing_columns(owned.student_columns, expected.student_columns, p, owned.student_rows) ==
        0);
  CHECK(owned.gradient.exactly_written());
  CHECK(owned.plan.exactly_written());
  return true;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the authors' code agrees with long double on random batches", "",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (auto const rule : {oracle::kept_rule::batch, oracle::kept_rule::greedy}) {
    int compared = 0;
    for (std::uint64_t seed = 1; compared < (kit::is_emulated<Device> ? 10 : 50); ++seed) {
      REQUIRE(seed < 200);
      INFO("rule " << int(rule) << " seed " << seed);
      compared += agrees<Device, T>(random_kept_problem(seed, rule));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("greedy matching ends at the columns and ids where the code's loops fail",
                        "", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto p = random_kept_problem(3, oracle::kept_rule::greedy, 70);
  REQUIRE(p.teacher_rows[0].size() > 50);
  for (std::size_t const vocabulary : {std::size_t(60), std::size_t(20)}) {
    for (auto* const z : {&p.teacher, &p.student}) {
      random_source random(vocabulary);
      *z = random_logits(random, index_t(z->rows), index_t(vocabulary), 2);
    }
    CHECK((agrees<Device, T>(p) || sizeof(T) == 4));  // float may match otherwise
  }
}

TEST_CASE("answer windows are those that the authors' code derives") {
  for (golden::npz const& c : golden::all_of("authors_"))
    for (std::string const side : {"teacher", "student"}) {
      labels_of const labels(c[side + "_targets"]);
      for (index_t b = 0; b < labels.view.rows; ++b) {
        INFO(c.name() << " " << side << " " << b);
        auto const window =
            mlot::answer_window_of(labels.view.row(b), -100, c.whole("skip_" + side + "_eos") != 0);
        CHECK(double(window.start) == c.values(side + "_start")[std::size_t(b)]);
        CHECK(double(window.size) == c.values(side + "_size")[std::size_t(b)]);
      }
    }
}
