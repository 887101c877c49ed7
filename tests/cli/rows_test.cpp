// Which rows are compared: the same positions of both models, or a refusal; and nothing to compare.
#include <cmath>

#include "cli/cases.hpp"
using namespace cli_test;

namespace {
/// Two sequences of four positions, the first ones prompt, over one vocabulary of 6.
struct same_text : cases {
  words const teacher = {"--teacher", logits("t.npy", "(2, 4, 6)", 48, 1)};
  words const student = {"--student", logits("s.npy", "(2, 4, 6)", 48, 2)};
  words const itself = {"--student", file("t.npy")};
  std::vector<std::int64_t> const ids = {-100, -100, 3, 5, -100, 1, -100, 2};
  words const labelled = {"--labels", labels("y.npy", "(2, 4)", ids)};
  words const teacher_labelled = {"--teacher-labels", file("y.npy")};
  words const unequal = {"--teacher-labels",
                         labels("u.npy", "(2, 4)", {-100, 0, 0, 0, -100, 0, -100, 0})};
};
words with(std::string const& loss) { return {"--loss", loss}; }
bool needs_both(std::string const& loss) {
  return loss == "reference-code" || loss == "distillkitplus";
}
bool is_divergence(std::string const& loss) {
  return loss != "multi-level" && loss != "universal-logit" && loss != "sinkd" && !needs_both(loss);
}
}  // namespace

TEST_CASE("mlot_cli finds no difference between a model and itself, whoever has labels") {
  same_text in;
  for (std::string const loss : loss_names) {
    if (loss == "sinkd") continue;  // which moves a token to other tokens as well
    CAPTURE(loss);
    for (words const& given :
         {words{}, in.labelled, in.teacher_labelled, in.labelled + in.teacher_labelled}) {
      CAPTURE(given);
      if (needs_both(loss) && given.size() < 4) continue;
      std::string const json = in.good(words{"loss"} + in.teacher + in.itself + given + with(loss));
      char const* const difference = is_divergence(loss)         ? "divergence"
                                     : loss == "universal-logit" ? "ranked_difference"
                                                                 : "absolute_difference";
      CHECK(number_of(json, difference) == 0);
    }
  }
}

TEST_CASE("mlot_cli counts the same positions of both models where one has labels") {
  same_text in;
  for (std::string const loss : loss_names) {
    if (needs_both(loss)) continue;
    CAPTURE(loss);
    words const both = words{"loss"} + in.teacher + in.student + with(loss);
    std::string const expected = in.good(both + in.labelled + in.teacher_labelled);
    CHECK(in.good(both + in.labelled) == expected);
    CHECK(value_of(in.good(both + in.teacher_labelled), "cross_entropy") == "0");
    words const check = words{"check-gradient"} + in.teacher + in.student + with(loss);
    if (loss != "adaptive-kl") in.good(check + in.labelled);
  }
}

TEST_CASE("mlot_cli says which labels are missing where positions differ") {
  same_text in;
  words const longer = {"--teacher", in.logits("t5.npy", "(2, 5, 6)", 60, 3)};
  for (std::string const loss : loss_names) {
    if (needs_both(loss)) continue;
    CAPTURE(loss);
    words const both = words{"loss"} + longer + in.student + with(loss);
    in.refuses(both + in.labelled, {"--teacher-labels: missing", "has 5, not the 4"});
    in.refuses(both + words{"--teacher-labels",
                            in.labels("y5.npy", "(2, 5)", {-100, 1, 1, 1, 1, 1, 1, 1, 1, 1})},
               {"--labels: missing", "has 4, not the 5"});
    fs::remove(in.file("y5.npy"));
  }
  // Labels that leave nothing out leave nothing to say.
  words const all = {"--labels", in.labels("all.npy", "(2, 4)", std::vector<std::int64_t>(8, 1))};
  CHECK(std::isfinite(number_of(in.good(words{"loss"} + longer + in.student + all), "total")));
}

TEST_CASE("mlot_cli refuses unequal rows over one vocabulary") {
  same_text in;
  for (std::string const loss : loss_names) {
    words const all =
        words{"loss"} + in.teacher + in.student + in.labelled + in.unequal + with(loss);
    if (is_divergence(loss) || loss == "sinkd")
      in.refuses(all, {"--loss: " + loss, "3 rows that count in sequence 0", "--student 2"});
    else
      in.good(all);
  }
  words const longer = {"--teacher", in.logits("t5.npy", "(2, 5, 6)", 60, 3)};
  in.refuses(words{"loss"} + longer + in.student + with("forward-kl"),
             {"--loss: forward-kl", "--teacher has 5", "--student 4"});
}

TEST_CASE("mlot_cli takes labelled tables beside labels, and all rows beside none") {
  same_text in;
  words const out = {"--out", in.file("t.safetensors")}, tables = {"--teacher", out[1]};
  in.good(words{"teacher"} + in.teacher + out);
  in.good(words{"loss"} + tables + in.student);
  in.refuses(words{"loss"} + tables + in.student + in.labelled,
             {"--teacher: ", "every row", "--teacher-labels"});
  in.good(words{"teacher"} + in.teacher + in.teacher_labelled + out);
  CHECK(in.good(words{"loss"} + tables + in.student + in.labelled) ==
        in.good(words{"loss"} + in.teacher + in.student + in.labelled));
  in.refuses(words{"loss"} + tables + in.student, {"--labels: missing", "rows that count alone"});
}

TEST_CASE("the pages' command lines give what a model beside itself has") {
  same_text in;
  std::ifstream pages(MLOT_TEST_COMMANDS);
  int run = 0;
  std::string const program = "build/native/examples/mlot_cli ";
  for (std::string line; std::getline(pages, line);) {
    if (!line.starts_with(program)) continue;
    words arguments = split(line.substr(program.size(), line.find(" | ") - program.size()));
    bool const masks = std::count(arguments.begin(), arguments.end(), "--labels") > 0;
    for (std::string& word : arguments) {
      if (word == "T.npy" || word == "S.npy") word = in.file("t.npy");
      if (word == "Y.npy" || word == "TY.npy") word = in.file("y.npy");
      if (word == "dS.npy" || word == "T.safetensors") word = in.file(word);
    }
    CAPTURE(line);
    std::string const printed = in.good(arguments);
    if (arguments[0] == "loss") {
      CHECK(masks);
      CHECK(number_of(printed, "absolute_difference") == 0);
      CHECK(number_of(printed, "cross_entropy") > 0);
    }
    if (arguments[0] == "check-gradient") CHECK(printed.ends_with(": passed\n"));
    ++run;
  }
  CHECK(run >= 4);
}

TEST_CASE("mlot_cli gives zeros for every loss of every empty shape") {
  cases in;
  std::vector<std::int64_t> const none;
  struct {
    char const *teacher, *student;  ///< shapes, but for the vocabulary
    std::size_t teacher_rows, student_rows;
  } const shapes[] = {{"0, 4", "0, 3", 0, 0}, {"0, 0", "0, 0", 0, 0}, {"2, 0", "2, 0", 0, 0},
                      {"0", "0", 0, 0},       {"2, 4", "2, 0", 8, 0}, {"2, 0", "2, 3", 0, 6},
                      {"4", "0", 4, 0},       {"0", "3", 0, 3},       {"2, 3", "2, 3", 6, 6},
                      {"4", "3", 4, 3}};
  for (auto const& of : shapes)
    for (std::string const loss : loss_names)
      for (std::string const precision : {"f64", "f32"}) {
        std::string const t = of.teacher, s = of.student;
        CAPTURE(t, s, loss, precision);
        auto const ignored = [&](std::string const& name, std::string const& shape,
                                 std::size_t rows) {
          return in.labels(name,
                           shape.find(',') == shape.npos ? "(" + shape + ",)" : "(" + shape + ")",
                           std::vector<std::int64_t>(rows, -100));
        };
        words const all = words{"loss",
                                "--teacher",
                                in.logits("t.npy", "(" + t + ", 6)", of.teacher_rows * 6, 1),
                                "--student",
                                in.logits("s.npy", "(" + s + ", 6)", of.student_rows * 6, 2),
                                "--labels",
                                ignored("y.npy", s, of.student_rows),
                                "--teacher-labels",
                                ignored("yt.npy", t, of.teacher_rows),
                                "--gradient",
                                in.file("g.npy"),
                                "--precision",
                                precision} +
                          with(loss);
        std::string const json = in.good(all);
        CHECK(value_of(json, "total") == "0");
        CHECK(value_of(json, "cross_entropy") == "0");
        golden::array const gradient = in.array("g.npy");
        CHECK(gradient.values.size() == of.student_rows * 6);
        for (double const g : gradient.values) CHECK(g == 0);
        if (needs_both(loss) || (of.teacher_rows > 0 && of.student_rows > 0)) continue;
        words bare = all;  // without labels: no tokens on one side
        for (char const* const option : {"--labels", "--teacher-labels"}) {
          auto const at = std::find(bare.begin(), bare.end(), option);
          bare.erase(at, at + 2);
        }
        CHECK(value_of(in.good(bare), "total") == "0");
      }
}

TEST_CASE("mlot_cli names a weight where products of weights are not finite") {
  same_text in;
  words const inputs = words{"loss"} + in.teacher + in.student + in.labelled + in.teacher_labelled +
                       words{"--gradient", in.file("g.npy")};
  auto const refuses = [&](std::string const& options, std::string const& name) {
    in.refuses(inputs + split(options), {name + ": ", "finite"});
  };
  refuses("--precision f32 --alpha 1e30 --beta 2e30", "--beta");
  refuses("--precision f32 --alpha 1e31 --beta 1e30", "--alpha");
  refuses("--alpha 1e200 --gamma 1e201", "--gamma");
  refuses("--weight 1e200 --alpha 1e200", "--weight");
  refuses("--alpha 1e300 --temperature 1e-100", "--alpha");
  for (std::string const loss : {"sinkd", "universal-logit", "distillkitplus", "reference-code"}) {
    refuses("--loss " + loss + " --weight 1e308 --temperature 1e-5", "--weight");
    refuses("--precision f32 --loss " + loss + " --weight 1e38 --temperature 1e-3", "--weight");
  }
  refuses("--loss distillkitplus --weight 1e200 --beta 1e201", "--beta");
  refuses("--loss distillkitplus --weight 1e200 --gamma 1e201", "--gamma");
  refuses("--loss forward-kl --temperature 1e200 --temperature-squared", "--temperature");
  refuses("--loss reference-code --temperature 1e-306", "--temperature");
  in.good(inputs + split("--alpha 1e30 --beta 1e-30"));
}
