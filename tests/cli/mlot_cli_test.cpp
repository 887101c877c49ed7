// The command line's contract: what it prints and writes, and what it answers to bad input.
#include <cmath>
#include <numeric>

#include "cli/program.hpp"
#include "error.hpp"
#include "mlot/core/scalar.hpp"
#include "random.hpp"
#include "test.hpp"
namespace {
using namespace cli_test;

std::string tuple(std::vector<std::int64_t> const& shape) {
  std::string text = "(";
  for (auto const size : shape) text += std::to_string(size) + ", ";
  return text + ")";
}
std::vector<float> random_logits(std::size_t count, std::uint64_t seed) {
  random_source random(seed);
  std::vector<float> logits(count);
  for (float& z : logits) z = float(2 * random.normal());
  return logits;
}

/// Teacher (5, 9), student (4, 7) and the student's labels, written as t.npy, s.npy, y.npy.
struct small_case : folder {
  std::vector<float> teacher = random_logits(45, 1), student = random_logits(28, 2);
  std::vector<std::int64_t> labels = {1, -100, 3, 6};
  words const inputs = {"--teacher", write("t.npy", npy("<f4", "(5, 9)", teacher)), "--student",
                        write("s.npy", npy("<f4", "(4, 7)", student))};
  words const labelled = {"--labels", write("y.npy", npy("<i8", "(4,)", labels))};
  words const teacher_labelled = {
      "--teacher-labels",
      write("yt.npy", npy("<i8", "(5,)", std::vector<std::int64_t>{-100, 1, 2, 3, 8}))};
  /// With every row of the teacher, which has more of them.
  words const both_labelled =
      labelled +
      words{"--teacher-labels", write("ya.npy", npy("<i8", "(5,)", std::vector<std::int64_t>(5)))};
  words const outputs = {"--gradient", file("g.npy"), "--plan", file("p.npy")};

  std::string loss(words const& arguments) const {
    outcome const result = run(words{"loss"} + arguments);
    INFO(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.err.empty());
    return result.out;
  }
};

double norm_error_of(std::vector<double> const& is, std::vector<double> const& should) {
  REQUIRE(is.size() == should.size());
  kit::norm_error error;
  for (std::size_t i = 0; i < is.size(); ++i) error.add(is[i], should[i]);
  return error.value();
}

/// An array of a golden case as an .npy file; every one of these is a float32 or int64 there.
std::string golden_file(folder const& in, golden::npz const& c, std::string const& name) {
  golden::array const& a = c[name];
  std::string const path = name + ".npy";
  if (name.find("logits") != name.npos)
    return in.write(
        path, npy("<f4", tuple(a.shape), std::vector<float>(a.values.begin(), a.values.end())));
  return in.write(path, npy("<i8", tuple(a.shape),
                            std::vector<std::int64_t>(a.values.begin(), a.values.end())));
}
std::string in_brackets(std::string const& text) { return std::string("[").append(text) + "]"; }
/// `width` ids as JSON has them, -1 where there are fewer.
std::string list(std::vector<double> const& ids, std::size_t width) {
  std::string text;
  for (std::size_t i = 0; i < width; ++i)
    text.append(i > 0 ? ", " : "")
        .append(std::to_string(i < ids.size() ? std::int64_t(ids[i]) : -1));
  return in_brackets(text);
}
std::string digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

#if MLOT_CLI_SIMD
constexpr char const* devices[] = {"scalar", "simd"};
#else
constexpr char const* devices[] = {"scalar"};
#endif
}  // namespace

TEST_CASE("mlot_cli loss prints the golden cases and writes their gradients and plans") {
  for (char const* const name :
       {"paper_B01_base", "paper_B06_k_gt_student_vocab", "paper_B26_Tt12_Ts7", "paper_B28_greedy",
        "paper_B33_exact_k", "paper_B35_sd_rank_own"}) {
    golden::npz const c(MLOT_TEST_DATA "/" + std::string(name) + ".npz");
    long const match = c.has("match") ? c.whole("match") : 0;
    small_case in;
    std::vector<std::int64_t> rows = c["teacher_logits"].shape;
    rows.pop_back();
    std::size_t const count =
        c.values("teacher_logits").size() / std::size_t(c["teacher_logits"].shape.back());
    words const files = {
        "--teacher",
        golden_file(in, c, "teacher_logits"),
        "--student",
        golden_file(in, c, "student_logits"),
        "--labels",
        golden_file(in, c, "labels"),
        "--teacher-labels",
        in.write("all.npy", npy("<i8", tuple(rows), std::vector<std::int64_t>(count)))};
    words const options =
        split("--k " + std::to_string(c.whole("k")) + " --temperature " + digits(c.number("tau")) +
              " --transport-temperature " + digits(c.number("tau_sd")) + " --epsilon " +
              digits(c.number("lam")) + " --iterations " + std::to_string(c.whole("n_iters")) +
              " --alpha " + digits(c.number("alpha")) + " --beta " + digits(c.number("beta")) +
              " --gamma " + digits(c.number("gamma")) + " --transport-ranking " +
              (c.whole("sd_rank_own") != 0 ? "own" : "shared") + " --matching " +
              (match == 0   ? "rank"
               : match == 1 ? "greedy"
                            : "exact"));
    for (std::string const device : devices)
      for (std::string const precision : {"f64", "f32"}) {
        double const tolerance = precision == "f64" ? 1e-10 : 1e-5;
        CAPTURE(name, device, precision);
        std::string const json = in.loss(files + options + in.outputs +
                                         split("--device " + device + " --precision " + precision));
        auto const near = [&](char const* key, char const* golden) {
          CHECK(number_of(json, key) == Approx(c.number(golden)).epsilon(tolerance));
        };
        near("cross_entropy", "ce");
        near("absolute_difference", "had");
        near("logarithmic", "sl");
        near("sinkhorn", "sd");
        near("total", "total");
        std::size_t const width = c.values("student_idx").size();
        CHECK(value_of(json, "teacher_columns") ==
              in_brackets(list(c.values("teacher_idx"), width)));
        CHECK(value_of(json, "student_columns") ==
              in_brackets(list(c.values("student_idx"), width)));
        golden::array const gradient = in.array("g.npy"), plan = in.array("p.npy");
        CHECK(gradient.shape == c["student_logits"].shape);
        CHECK(plan.shape == c["plan"].shape);
        CHECK(norm_error_of(gradient.values, c.values("grad_total")) < tolerance);
        CHECK(norm_error_of(plan.values, c.values("plan")) < tolerance);
        std::string const type = precision == "f64" ? "'<f8'" : "'<f4'";
        CHECK(bytes_of(in.file("g.npy")).find(type) != std::string::npos);
        CHECK(bytes_of(in.file("p.npy")).find(type) != std::string::npos);
      }
  }
}

TEST_CASE("mlot_cli reference-code prints what the authors' code computes") {
  for (char const* const name :
       {"authors_A03_b2_uneq_f1", "authors_A07_b3_train_settings_f1", "authors_A13_temperatures_f1",
        "authors_A15_no_prompt_and_hole_f1", "authors_A04_b2_uneq_f2"}) {
    golden::npz const c(MLOT_TEST_DATA "/" + std::string(name) + ".npz");
    CAPTURE(name);
    small_case in;
    words const files = {"--teacher",        golden_file(in, c, "teacher_logits"),
                         "--student",        golden_file(in, c, "student_logits"),
                         "--labels",         golden_file(in, c, "student_targets"),
                         "--teacher-labels", golden_file(in, c, "teacher_targets")};
    words arguments =
        files +
        split("--loss reference-code --temperature " + digits(c.number("student_temperature")) +
              " --teacher-temperature " + digits(c.number("teacher_temperature")) + " --weight " +
              digits(c.number("distillation_weight")) + " --matching " +
              (c.has("student_match") ? "greedy" : "rank"));
    if (c.whole("skip_student_eos") != 0) arguments.push_back("--skip-student-eos");
    if (c.whole("skip_teacher_eos") != 0) arguments.push_back("--skip-teacher-eos");
    std::string const json = in.loss(arguments + in.outputs);
    auto const near = [&](char const* key, char const* golden) {
      CHECK(number_of(json, key) == Approx(c.number(golden)).epsilon(1e-9));
    };
    CHECK(value_of(json, "cross_entropy") == "0");
    near("absolute_difference", "had64");
    near("logarithmic", "kl64");
    near("sinkhorn", "sd64");
    near("total", "dist64");
    CHECK(norm_error_of(in.array("g.npy").values, c.values("grad_dist64")) < 1e-9);
    golden::array const plan = in.array("p.npy");  // all L x L positions, unit column sums
    std::int64_t const length = plan.shape.at(2), sequences = c["student_logits"].shape[0];
    CHECK(plan.shape == std::vector<std::int64_t>{sequences, length, length});
    CHECK(std::accumulate(plan.values.begin(), plan.values.end(), 0.0) ==
          Approx(double(plan.shape[0] * length)).epsilon(1e-12));
    std::string teacher, student;  // the batch's one ranking, for each sequence, or its matching
    for (std::int64_t b = 0; b < sequences; ++b) {
      teacher += (b > 0 ? ", " : "") + list(c.values("teacher_rank"), 50);
      if (!c.has("student_match")) continue;
      auto const first = c.values("student_match").begin() + b * 50;
      student += (b > 0 ? ", " : "") + list({first, first + 50}, 50);
    }
    CHECK(value_of(json, "teacher_columns") == in_brackets(teacher));
    if (!student.empty()) CHECK(value_of(json, "student_columns") == in_brackets(student));
  }
}

namespace {
/// Teacher and student over one vocabulary of 7, with labels of both.
struct one_vocabulary : small_case {
  words const same = words{"--teacher", write("t7.npy", npy("<f4", "(5, 7)", random_logits(35, 6))),
                           "--student", file("s.npy")} +
                     labelled;
  /// With the teacher's first three rows, as many as the student's.
  words const same_rows =
      same +
      words{"--teacher-labels",
            write("y3.npy", npy("<i8", "(5,)", std::vector<std::int64_t>{0, 0, 0, -100, -100}))};
  /// log softmax of a row at a temperature.
  static std::vector<double> log_softmax(std::vector<float> const& logits, std::size_t row,
                                         double tau) {
    std::vector<double> z;
    double sum = 0;
    for (std::size_t v = 0; v < 7; ++v) z.push_back(double(logits[7 * row + v]) / tau);
    for (double const x : z) sum += std::exp(x);
    for (double& x : z) x -= std::log(sum);
    return z;
  }
  /// The sum over ids of term(log q, log p), teacher first, of each aligned token: the rows whose
  /// labels count are 0, 2 and 3.
  std::vector<double> each(double teacher_tau, double tau, auto term) const {
    auto const of_teacher = random_logits(35, 6);
    std::vector<double> sums;
    for (std::size_t const row : {0, 2, 3}) {
      auto const q = log_softmax(of_teacher, sums.size(), teacher_tau);
      auto const p = log_softmax(student, row, tau);
      sums.push_back(0);
      for (std::size_t v = 0; v < 7; ++v) sums.back() += term(q[v], p[v]);
    }
    return sums;
  }
  double sum(double teacher_tau, double tau, auto term) const {
    auto const sums = each(teacher_tau, tau, term);
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }
};
double forward(double q, double p) { return std::exp(q) * (q - p); }
double reverse(double q, double p) { return std::exp(p) * (p - q); }
/// KL from the one to the mixture with weight w of it.
double skewed(double from, double to, double w) {
  return std::exp(from) * (from - std::log(w * std::exp(from) + (1 - w) * std::exp(to)));
}
}  // namespace

TEST_CASE("mlot_cli prints each divergence over one vocabulary") {
  one_vocabulary in;
  auto const check = [&](std::string const& options, double expected, double ratio = 0.5) {
    CAPTURE(options);
    std::string const json = in.loss(in.same_rows + split("--loss " + options));
    CHECK(number_of(json, "divergence") == Approx(expected).epsilon(1e-12));
    CHECK(number_of(json, "total") ==
          Approx((1 - ratio) * number_of(json, "cross_entropy") + ratio * expected).epsilon(1e-12));
    CHECK(json.find("columns") == json.npos);
  };
  check("forward-kl", in.sum(1, 1, forward));
  check("forward-kl --temperature 2 --teacher-temperature 3 --ratio 0.25", in.sum(3, 2, forward),
        0.25);
  check("reverse-kl --temperature 4", in.sum(4, 4, reverse));
  std::string const squared =
      in.loss(in.same_rows + split("--loss reverse-kl --temperature 4 --temperature-squared"));
  CHECK(number_of(squared, "total") ==
        Approx(number_of(squared, "cross_entropy") / 2 + 8 * in.sum(4, 4, reverse)));
  check("total-variation",
        in.sum(1, 1, [](double q, double p) { return std::fabs(std::exp(q) - std::exp(p)) / 2; }));
  auto const mixed = [](double w) {
    return [w](double q, double p) { return w * skewed(q, p, w) + (1 - w) * skewed(p, q, 1 - w); };
  };
  check("jensen-shannon", in.sum(1, 1, mixed(0.5)));
  check("jensen-shannon --beta 0.1", in.sum(1, 1, mixed(0.1)));
  auto const with_skew = [](double w) {
    return [w](double q, double p) { return skewed(q, p, w); };
  };
  check("skewed-kl", in.sum(1, 1, with_skew(0.1)));
  check("skewed-kl --lambda 0.6", in.sum(1, 1, with_skew(0.6)));
  check("skewed-reverse-kl --lambda 0.6",
        in.sum(1, 1, [](double q, double p) { return skewed(p, q, 0.6); }));
  double const adaptive =
      number_of(in.loss(in.same_rows + split("--loss adaptive-kl")), "divergence");
  auto const f = in.each(1, 1, forward), r = in.each(1, 1, reverse);
  double least = 0, most = 0;  // a mean of the two at each token
  for (std::size_t t = 0; t < 3; ++t) {
    least += std::min(f[t], r[t]);
    most += std::max(f[t], r[t]);
  }
  CHECK((adaptive > least && adaptive < most));
}

TEST_CASE("mlot_cli prints ULD and SinKD by their own terms") {
  one_vocabulary in;
  std::string const uld = in.loss(in.inputs + in.both_labelled + split("--loss universal-logit"));
  CHECK(number_of(uld, "ranked_difference") > 0);
  CHECK(number_of(uld, "total") ==
        Approx(number_of(uld, "cross_entropy") + 1.5 * number_of(uld, "ranked_difference")));
  CHECK(uld.find("sinkhorn") == uld.npos);
  double largest = 0;  // one rank: a mean over tokens of the difference of the largest
  auto const top = [](std::vector<float> const& z, std::size_t row, std::size_t width) {
    double sum = 0, most = 0;
    for (std::size_t v = 0; v < width; ++v) {
      sum += std::exp(double(z[row * width + v]));
      most = std::max(most, std::exp(double(z[row * width + v])));
    }
    return most / sum;
  };
  std::size_t const rows[] = {0, 2, 3};
  for (std::size_t t = 0; t < 3; ++t)
    largest += std::fabs(top(in.teacher, t, 9) - top(in.student, rows[t], 7)) / 3;
  CHECK(number_of(in.loss(in.inputs + in.both_labelled + split("--loss universal-logit --k 1")),
                  "ranked_difference") == Approx(largest).epsilon(1e-12));

  std::string const sinkd =
      in.loss(in.same_rows + split("--loss sinkd --weight 0.5 --iterations 30") + in.outputs);
  CHECK(number_of(sinkd, "total") ==
        Approx(number_of(sinkd, "cross_entropy") + 0.5 * number_of(sinkd, "sinkhorn")));
  CHECK(sinkd.find("logarithmic") == sinkd.npos);
  CHECK(in.array("p.npy").shape == std::vector<std::int64_t>{3, 3});
  CHECK(in.array("g.npy").shape == std::vector<std::int64_t>{4, 7});
}

TEST_CASE("mlot_cli distillkitplus sorts at every position of its spans") {
  one_vocabulary in;
  // The student's span begins at its first label, and counts its hole: rows 0, 1, 2.
  words const options = in.teacher_labelled + split("--loss distillkitplus --k 2 --temperature 1");
  std::string const json = in.loss(in.inputs + in.labelled + options + in.outputs);
  double expected = 0;
  auto const two_largest = [](std::vector<float> const& z, std::size_t row, std::size_t width) {
    std::vector<double> p;
    double sum = 0;
    for (std::size_t v = 0; v < width; ++v) {
      p.push_back(std::exp(double(z[row * width + v])));
      sum += p.back();
    }
    std::sort(p.rbegin(), p.rend());
    return std::pair(p[0] / sum, p[1] / sum);
  };
  for (std::size_t t = 0; t < 3; ++t) {
    auto const a = two_largest(in.teacher, t + 1, 9), b = two_largest(in.student, t, 7);
    expected += (std::fabs(a.first - b.first) + std::fabs(a.second - b.second)) / 3;
  }
  CHECK(number_of(json, "absolute_difference") == Approx(expected).epsilon(1e-12));
  CHECK(number_of(json, "total") ==
        Approx(expected + 0.1 * (number_of(json, "logarithmic") + number_of(json, "sinkhorn"))));
  CHECK(in.array("p.npy").shape == std::vector<std::int64_t>{3, 3});
  std::string const weighed =
      in.loss(in.inputs + in.labelled + options + split("--beta 0.5 --gamma 2 --weight 3"));
  CHECK(number_of(weighed, "total") == Approx(3 * (expected + 0.5 * number_of(json, "logarithmic") +
                                                   2 * number_of(json, "sinkhorn"))));
}

TEST_CASE("mlot_cli prints exactly these keys, in this order") {
  folder in;
  std::string const one = in.write("one.npy", npy("<f4", "(1, 1)", std::vector<float>{3}));
  outcome const result = in.run({"loss", "--teacher", one, "--student", one});
  CHECK(result.code == 0);
  CHECK(result.out ==
        "{\n  \"cross_entropy\": 0,\n  \"absolute_difference\": 0,\n  \"logarithmic\": 0,\n"
        "  \"sinkhorn\": 0,\n  \"total\": 0,\n  \"teacher_columns\": [[0]],\n"
        "  \"student_columns\": [[0]]\n}\n");
}

TEST_CASE("mlot_cli total is cross-entropy plus the weighted distillation terms") {
  small_case in;
  std::string const json = in.loss(in.inputs + in.both_labelled +
                                   words{"--weight", "3", "--alpha", "0.5", "--beta", "-.25"});
  CHECK(number_of(json, "total") ==
        Approx(number_of(json, "cross_entropy") +
               1.5 * (number_of(json, "absolute_difference") -
                      0.25 * number_of(json, "logarithmic") + 0.1 * number_of(json, "sinkhorn")))
            .epsilon(1e-14));
  CHECK(value_of(in.loss(in.inputs), "cross_entropy") == "0");
}

TEST_CASE("mlot_cli reads float16, float32 and float64, and labels of 32 and 64 bits") {
  small_case in;
  std::vector<mlot::half> halves;
  std::vector<float> floats;
  std::vector<double> doubles;
  for (float const z : in.student) {
    halves.emplace_back(z);
    floats.push_back(static_cast<float>(halves.back()));
    doubles.push_back(floats.back());
  }
  std::string const student[] = {in.write("h.npy", npy("<f2", "(4, 7)", halves)),
                                 in.write("f.npy", npy("<f4", "(4, 7)", floats)),
                                 in.write("d.npy", npy("<f8", "(4, 7)", doubles))};
  std::string const teacher =
      in.write("th.npy",
               npy("<f2", "(5, 9)", std::vector<mlot::half>(in.teacher.begin(), in.teacher.end())));
  std::string const labels =
      in.write("y4.npy", npy("<i4", "(4,)", std::vector<std::int32_t>{1, -100, 3, 6}));
  for (std::string const device : devices)
    for (std::string const precision : {"f64", "f32"}) {
      CAPTURE(device, precision);
      std::string printed[3];
      for (int i = 0; i < 3; ++i)
        printed[i] = in.loss({"--teacher", teacher, "--student", student[i], "--labels", labels,
                              "--teacher-labels", in.file("ya.npy"), "--device", device,
                              "--precision", precision});
      CHECK(printed[0] == printed[1]);
      CHECK(printed[1] == printed[2]);
    }
}

TEST_CASE("mlot_cli adds a padded batch up and pads its plan with zeros") {
  small_case in;
  std::vector<float> const teacher = random_logits(2 * 5 * 9, 3), student = random_logits(56, 4);
  std::vector<std::int64_t> const skip = {-100, -100, 1, 1, 1, 1, 1, 1, -100, -100};
  std::vector<std::int64_t> const labels = {1, 2, 3, -100, -100, -100, -100, 6};
  auto const sequence = [&](auto const& of, std::size_t b) {
    std::size_t const size = of.size() / 2;
    auto const first = of.begin() + std::ptrdiff_t(b * size);
    return std::vector(first, first + std::ptrdiff_t(size));
  };
  std::string const whole =
      in.loss(words{"--teacher", in.write("t2.npy", npy("<f4", "(2, 5, 9)", teacher)), "--student",
                    in.write("s2.npy", npy("<f4", "(2, 4, 7)", student)), "--labels",
                    in.write("y2.npy", npy("<i8", "(2, 4)", labels)), "--teacher-labels",
                    in.write("yt2.npy", npy("<i8", "(2, 5)", skip))} +
              in.outputs);
  golden::array const gradient = in.array("g.npy"), plan = in.array("p.npy");
  CHECK(gradient.shape == std::vector<std::int64_t>{2, 4, 7});
  REQUIRE(plan.shape == std::vector<std::int64_t>{2, 3, 3});

  double total = 0;
  std::string columns;
  for (std::size_t b = 0; b < 2; ++b) {
    std::string const one = in.loss(
        words{"--teacher", in.write("t1.npy", npy("<f4", "(5, 9)", sequence(teacher, b))),
              "--student", in.write("s1.npy", npy("<f4", "(4, 7)", sequence(student, b))),
              "--labels", in.write("y1.npy", npy("<i8", "(4,)", sequence(labels, b))),
              "--teacher-labels", in.write("yt1.npy", npy("<i8", "(5,)", sequence(skip, b)))} +
        in.outputs);
    total += number_of(one, "total");
    std::string const ids = value_of(one, "student_columns");
    columns += (b > 0 ? ", " : "") + ids.substr(1, ids.size() - 2);
    CHECK(norm_error_of(in.array("g.npy").values, sequence(gradient.values, b)) < 1e-14);
    golden::array const own = in.array("p.npy");
    CHECK(own.shape == std::vector<std::int64_t>{3, b == 0 ? 3 : 1});
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j) {
        auto const width = std::size_t(own.shape[1]);
        double const expected = j < width ? own.values[i * width + j] : 0;
        CHECK(plan.values[b * 9 + i * 3 + j] == Approx(expected).epsilon(1e-14));
      }
  }
  CHECK(number_of(whole, "total") == Approx(total).epsilon(1e-14));
  CHECK(value_of(whole, "student_columns") == in_brackets(columns));
}

TEST_CASE("mlot_cli: labels choose the rows, and other rows may hold anything") {
  small_case in;
  in.student[8] = std::numeric_limits<float>::quiet_NaN();  // row 1, which its label skips
  in.teacher[3] = std::numeric_limits<float>::infinity();   // row 0, likewise
  in.write("s.npy", npy("<f4", "(4, 7)", in.student));
  in.write("t.npy", npy("<f4", "(5, 9)", in.teacher));
  std::string const json = in.loss(in.inputs + in.labelled + in.teacher_labelled + in.outputs);
  CHECK(std::isfinite(number_of(json, "total")));
  golden::array const gradient = in.array("g.npy");
  for (std::size_t v = 7; v < 14; ++v) CHECK(gradient.values[v] == 0);
  CHECK(in.array("p.npy").shape == std::vector<std::int64_t>{4, 3});
}

TEST_CASE("mlot_cli takes empty sequences, ignored labels and masked logits as ordinary") {
  small_case in;
  std::vector<float> const none;
  std::string const all_ignored =
      in.write("yi.npy", npy("<i8", "(4,)", std::vector<std::int64_t>(4, -100)));
  for (words const& inputs :
       {in.inputs + words{"--labels", all_ignored, "--teacher-labels", in.file("ya.npy")},
        words{"--teacher", in.file("t.npy"), "--student",
              in.write("s0.npy", npy("<f4", "(0, 7)", none))},
        words{"--teacher", in.write("t0.npy", npy("<f4", "(0, 5, 9)", none)), "--student",
              in.write("b0.npy", npy("<f4", "(0, 4, 7)", none))}}) {
    CAPTURE(inputs);
    std::string const json = in.loss(inputs + in.outputs);
    CHECK(value_of(json, "total") == "0");
    for (double const g : in.array("g.npy").values) CHECK(g == 0);
  }
  for (std::size_t row = 0; row < 4; ++row)
    in.student[7 * row + 2] = -std::numeric_limits<float>::infinity();
  in.write("s.npy", npy("<f4", "(4, 7)", in.student));
  std::string const json = in.loss(in.inputs + in.both_labelled + in.outputs);
  CHECK(std::isfinite(number_of(json, "total")));
  for (std::size_t row = 0; row < 4; ++row) CHECK(in.array("g.npy").values[7 * row + 2] == 0);
}

TEST_CASE("mlot_cli writes the infinite cross-entropy of a masked label as 1e999") {
  small_case in;
  in.student[1] = -std::numeric_limits<float>::infinity();  // row 0, whose label is 1
  in.write("s.npy", npy("<f4", "(4, 7)", in.student));
  std::string const json = in.loss(in.inputs + in.both_labelled);
  CHECK(value_of(json, "cross_entropy") == "1e999");
  CHECK(value_of(json, "total") == "1e999");
  CHECK(std::isfinite(number_of(json, "absolute_difference")));
}

TEST_CASE("mlot_cli check-gradient passes, and fails past the tolerance") {
  small_case in;
  words const check = words{"check-gradient"} + in.inputs + in.both_labelled;
  for (std::string const device : devices)
    for (std::string const precision : {"f64", "f32"})
      for (words const& more :
           {words{}, words{"--transport-ranking", "own"}, words{"--k", "3"},
            words{"--matching", "exact", "--transport-level", "token"},
            words{"--loss", "universal-logit"}, words{"--loss", "reference-code"},
            words{"--loss", "reference-code", "--matching", "greedy"},
            words{"--loss", "distillkitplus"}}) {
        outcome const result =
            in.run(check + words{"--device", device, "--precision", precision} + more);
        CAPTURE(device, precision, more, result.out, result.err);
        CHECK(result.code == 0);
        CHECK(std::count(result.out.begin(), result.out.end(), '\n') == 22);  // names, 20, verdict
        CHECK(result.out.ends_with(": passed\n"));
      }
  one_vocabulary same;
  for (char const* const loss : {"sinkd", "forward-kl", "reverse-kl", "jensen-shannon", "skewed-kl",
                                 "skewed-reverse-kl", "total-variation"})
    for (std::string const precision : {"f64", "f32"}) {
      outcome const result = same.run(words{"check-gradient"} + same.same_rows +
                                      words{"--loss", loss, "--precision", precision});
      CAPTURE(loss, precision, result.out, result.err);
      CHECK(result.code == 0);
      CHECK(result.out.ends_with(": passed\n"));
    }
  outcome const strict = in.run(check + words{"--tolerance", "1e-300", "--samples", "7"});
  CHECK(strict.code == 1);
  CHECK(strict.out.find("past the tolerance") != std::string::npos);
  CHECK(strict.out.ends_with(": FAILED\n"));
  in.refuses(check + words{"--sinkhorn-gradient", "plan_constant"}, {"--sinkhorn-gradient"});
  in.refuses(check + words{"--loss", "adaptive-kl"}, {"--loss: adaptive-kl given", "derivative"});
  in.refuses(check + words{"--samples", "0"}, {"--samples: 0 given", "at least 1"});
  in.refuses(check + words{"--step", "0"}, {"--step: 0 given", "above 0"});
  in.refuses(check + words{"--gradient", in.file("g.npy")}, {"--gradient"});
}

TEST_CASE("mlot_cli --help is no error") {
  folder in;
  for (words const& arguments :
       {words{"--help"}, words{"loss", "--help"}, words{"check-gradient", "--help"}}) {
    outcome const result = in.run(arguments);
    CHECK(result.code == 0);
    CHECK(result.err.empty());
    CHECK(result.out.find("Usage: mlot_cli") != std::string::npos);
  }
  std::string const help = in.run({"loss", "--help"}).out;
  for (char const* const part : {"1e999", "multi-level: ", "distillkitplus: ", "--lambda"})
    CHECK(help.find(part) != std::string::npos);
}

TEST_CASE("mlot_cli names the option, its value and what is allowed") {
  small_case in;
  words const loss = words{"loss"} + in.inputs + in.outputs;
  struct {
    words arguments, parts;
  } const cases[] = {
      {{"--k", "0"}, {"--k: 0 given", "at least 1"}},
      {{"--k", "-3"}, {"--k: -3 given", "at least 1"}},
      {{"--k", "1.5"}, {"--k: 1.5 given", "whole number"}},
      {{"--k", "99999999999999999999"}, {"--k: 99999999999999999999 given"}},
      {{"--k"}, {"--k"}},
      {{"--k", "3", "--k", "4"}, {"--k", "once"}},
      {{"--epsilon", "0"}, {"--epsilon: 0 given", "above 0"}},
      {{"--epsilon", "-0.5"}, {"--epsilon: -0.5 given", "above 0"}},
      {{"--epsilon", "nan"}, {"--epsilon: nan given", "above 0"}},
      {{"--epsilon", "1e"}, {"--epsilon: 1e given", "number"}},
      {{"--iterations", "0"}, {"--iterations: 0 given", "at least 1"}},
      {{"--iterations", "9999999999"}, {"--iterations: 9999999999 given", "1000000"}},
      {{"--temperature", "0"}, {"--temperature: 0 given", "above 0"}},
      {{"--teacher-temperature", "0"}, {"--teacher-temperature: 0 given", "above 0"}},
      {{"--transport-temperature", "-1"}, {"--transport-temperature: -1 given", "above 0"}},
      {{"--alpha", "inf"}, {"--alpha: inf given", "finite"}},
      {{"--beta", "nan"}, {"--beta: nan given", "finite"}},
      {{"--gamma", "inf"}, {"--gamma: inf given", "finite"}},
      {{"--weight", "inf"}, {"--weight: inf given", "finite"}},
      {{"--loss", "kl"}, {"--loss: kl given", "multi-level", "forward-kl"}},
      {{"--loss", "forward-kl", "--alpha", "1"}, {"--alpha", "forward-kl", "--ratio"}},
      {{"--loss", "forward-kl"}, {"--plan", "forward-kl"}},
      {{"--ratio", "0.5"}, {"--ratio", "multi-level", "--alpha"}},
      {{"--lambda", "x"}, {"--lambda: x given", "number"}},
      {{"--device", "cuda"}, {"--device: cuda given", "scalar", "simd"}},
      {{"--precision", "f16"}, {"--precision: f16 given", "f32", "f64"}},
      {{"--transport-ranking", "x"}, {"--transport-ranking: x given", "shared", "own"}},
      {{"--matching", "best"}, {"--matching: best given", "rank, greedy or exact"}},
      {{"--transport-level", "x"}, {"--transport-level: x given", "sequence or token"}},
      {{"--transport-level", "token"}, {"--plan", "sequence"}},
      {{"--loss", "reference-code", "--matching", "exact"}, {"--labels", "missing"}},
      {{"--sinkhorn-gradient", "x"}, {"--sinkhorn-gradient: x given", "unrolled"}},
      {{"--skip-student-eos"}, {"--skip-student-eos", "multi-level"}},
      {{"--loss", "reference-code"}, {"--labels", "missing"}},
      {{"--loss", "distillkitplus", "--labels", in.file("y.npy")}, {"--teacher-labels"}},
      {{"--loss", "reference-code", "--k", "50"}, {"--k", "reference-code", "--matching"}},
      {{"--nonsense"}, {"--nonsense"}},
      {{"nonsense"}, {"nonsense"}},
  };
  for (auto const& c : cases) in.refuses(loss + c.arguments, c.parts);
  in.refuses(words{"loss"} + in.inputs + in.labelled + in.teacher_labelled + in.outputs +
                 words{"--loss", "reference-code", "--temperature", "0"},
             {": --temperature: 0 given", "above 0"});
  in.refuses(words{"loss"} + in.inputs + in.labelled + in.teacher_labelled +
                 words{"--loss", "reference-code", "--matching", "exact"},
             {"--matching: exact given", "rank or greedy", "reference-code"});
  words const kl = words{"loss"} + in.inputs;
  in.refuses(kl + words{"--loss", "forward-kl"},
             {"--loss: forward-kl", "--teacher has 9", "--student 7"});
  one_vocabulary const same;
  words const one = words{"loss"} + same.same_rows;
  same.refuses(one + split("--loss skewed-kl --lambda 2"), {"--lambda: 2 given", "0 to 1"});
  same.refuses(one + split("--loss jensen-shannon --beta -1"), {"--beta: -1 given", "0 to 1"});
  same.refuses(one + split("--loss forward-kl --ratio 3"), {"--ratio: 3 given", "0 to 1"});
  same.refuses(one + split("--loss forward-kl --temperature 0"), {"--temperature: 0 given"});
  same.refuses(one + split("--loss universal-logit --k -1"), {"--k: -1 given", "at least 0"});
  same.refuses(one + split("--loss sinkd --epsilon 0"), {"--epsilon: 0 given", "above 0"});
  in.refuses({}, {"loss", "check-gradient"});
  in.refuses({"train"}, {"train given", "loss", "check-gradient"});
  in.refuses({"loss", "--teacher", in.file("t.npy")}, {"--student"});
#if !MLOT_CLI_SIMD
  in.refuses(loss + words{"--device", "simd"}, {"--device: simd given", "scalar"});
#endif
}

TEST_CASE("mlot_cli says which file is wrong, and where") {
  small_case in;
  auto const refuses_student = [&](std::string const& bytes, words const& parts) {
    in.write("x.npy", bytes);
    in.refuses(
        words{"loss", "--teacher", in.file("t.npy"), "--student", in.file("x.npy")} + in.outputs,
        words{"--student: ", "x.npy"} + parts);
  };
  auto const with = [](std::vector<float> logits, std::size_t at, float value) {
    logits[at] = value;
    return logits;
  };
  float const nan = std::numeric_limits<float>::quiet_NaN();
  float const infinity = std::numeric_limits<float>::infinity();
  std::string const good = npy("<f4", "(4, 7)", in.student);
  refuses_student(npy("<f4", "(28,)", in.student), {"(28,)", "(T, V) or (B, T, V)"});
  refuses_student(npy("<f4", "(1, 1, 4, 7)", in.student), {"(1, 1, 4, 7)", "(B, T, V)"});
  refuses_student(npy("<f4", "(2, 2, 7)", in.student), {"2 sequences", "--teacher: 1"});
  refuses_student(npy("<f4", "(4, 0)", std::vector<float>()), {"(4, 0)", "vocabulary id"});
  refuses_student(npy(">f4", "(4, 7)", in.student), {"dtype >f4", "<f2, <f4 or <f8"});
  refuses_student(npy("<i4", "(4, 7)", in.student), {"dtype <i4", "<f2, <f4 or <f8"});
  refuses_student(npy("<f4", "(4, 7)", with(in.student, 19, nan)), {"row 2, column 5", "nan"});
  refuses_student(npy("<f4", "(4, 7)", with(in.student, 19, infinity)), {"row 2, column 5", "inf"});
  refuses_student("hello", {"not an .npy file"});
  refuses_student("", {"not an .npy file"});

  in.write("t2.npy", npy("<f4", "(2, 1, 9)", random_logits(18, 5)));
  in.write("x.npy", npy("<f4", "(2, 2, 7)", with(in.student, 26, nan)));
  in.refuses(words{"loss", "--teacher", in.file("t2.npy"), "--student", in.file("x.npy")},
             {"--student: ", "sequence 1 at row 1, column 5"});
  in.refuses(words{"loss", "--teacher", in.file("none.npy"), "--student", in.file("x.npy")},
             {"--teacher: ", "none.npy does not exist"});
  in.refuses(words{"loss", "--teacher", fs::path(in.file("x")).parent_path().string(), "--student",
                   in.file("x.npy")},
             {"--teacher: ", "not a regular file"});

  auto const refuses_labels = [&](std::string const& bytes, words const& parts) {
    in.write("l.npy", bytes);
    for (words const& preset : {words{}, in.teacher_labelled + words{"--loss", "reference-code"}})
      in.refuses(
          words{"loss"} + in.inputs + in.outputs + preset + words{"--labels", in.file("l.npy")},
          words{"--labels: "} + parts);
  };
  using ids = std::vector<std::int64_t>;
  refuses_labels(npy("<i8", "(4,)", ids{0, 7, 0, 0}), {"row 1", "label 7", "0 to 6"});
  refuses_labels(npy("<i8", "(4,)", ids{0, 0, 0, -1}), {"row 3", "label -1", "-100"});
  refuses_labels(npy("<i8", "(3,)", ids{0, 0, 0}), {"(3,)", "(4,)"});
  refuses_labels(npy("<i8", "(1, 4)", ids{0, 0, 0, 0}), {"(1, 4)", "(4,)"});
  refuses_labels(npy("<f8", "(4,)", std::vector<double>(4)), {"dtype <f8", "<i8 or <i4"});
}

TEST_CASE("mlot_cli reads every version of the format") {
  small_case in;
  std::string const expected = in.loss(in.inputs);
  for (char const version : {'\1', '\2', '\3'}) {
    in.write("s.npy", npy("<f4", "(4, 7)", in.student, version));
    CHECK(in.loss(in.inputs) == expected);
  }
  in.write("s.npy", npy("<f4", "(4, 7)", in.student, '\4'));
  in.refuses(words{"loss"} + in.inputs, {"version 4", "1, 2 or 3"});
}

TEST_CASE("mlot_cli: a header that lies is an error, never a crash") {
  small_case in;
  std::string const good = npy("<f4", "(4, 7)", in.student);
  auto const refuses = [&](std::string const& bytes, words const& parts) {
    in.write("s.npy", bytes);
    in.refuses(words{"loss"} + in.inputs + in.outputs, words{"--student: "} + parts);
  };
  auto const replaced = [&](std::string const& from, std::string const& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), to.size(), to);  // over the padding, so that sizes stay
    return bytes;
  };
  for (std::size_t size = 0; size < good.size(); ++size) {  // cut anywhere
    in.write("s.npy", good.substr(0, size));
    outcome const result = in.run(words{"loss"} + in.inputs + in.outputs);
    CAPTURE(size, result.err);
    CHECK(result.code == 2);
    CHECK(!in.has("g.npy"));
  }
  refuses(good + "x", {"1 bytes behind", "(4, 7)"});
  refuses(replaced("(4, 7), } ", "(4, 8), } "), {"cut short", "(4, 8)"});
  refuses(replaced("(4, 7), } ", "(4, 6), } "), {"bytes behind", "(4, 6)"});
  refuses(replaced("(4, 7), }          ", "(9999999, 9999999)}"), {"cut short"});
  refuses(replaced("(4, 7), }                ", "(18446744073709551617, 7)}"), {"dimension above"});
  refuses(replaced("(4, 7), }             ", "(0, 99999999999999), }"), {"dimension above"});
  refuses(replaced("(4, 7)", "(-4,7)"), {"header"});
  refuses(replaced("(4, 7)", "[4, 7]"), {"header"});
  refuses(replaced("False", " True"), {"Fortran order"});
  refuses(replaced("False", "Maybe"), {"header"});
  refuses(replaced("'<f4'", "['f']"), {"header"});
  refuses(replaced("shape", "descr"), {"header"});
  refuses(replaced("{", " "), {"header"});
  std::string long_header = good;
  long_header[8] = long_header[9] = '\xff';
  refuses(long_header, {"header"});
}

TEST_CASE("mlot_cli writes both files or none") {
  small_case in;
  fs::create_directory(in.file("taken"));
  words const loss = words{"loss"} + in.inputs;
  std::string const good = in.file("g.npy");
  for (std::string const& bad :
       {in.file("taken"), in.file("none/p.npy"), std::string("/dev/null")}) {
    in.refuses(loss + words{"--gradient", good, "--plan", bad}, {"--plan: " + bad});
    in.refuses(loss + words{"--plan", good, "--gradient", bad}, {"--gradient: " + bad});
  }
  in.refuses(loss + words{"--gradient", good, "--plan", good},
             {"--plan: ", "--gradient goes there"});
  CHECK(fs::is_directory(in.file("taken")));
  CHECK(fs::is_character_file("/dev/null"));
  in.write("g.npy", "old");  // a file of before is replaced by success alone
  in.refuses(loss + words{"--k", "0", "--gradient", good}, {"--k"});
  CHECK(bytes_of(good) == "old");
  CHECK(in.loss(in.inputs + in.outputs).starts_with("{"));
  CHECK(in.array("g.npy").shape == std::vector<std::int64_t>{4, 7});
}
