#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "mlot_cli/settings.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
constexpr char const* about =
    "Optimal-transport distillation losses of logits stored in .npy files.\n"
    "Logits are (T, V) or (B, T, V) of float16, float32 or float64; labels (T) or (B, T) of int64, "
    "-100 for positions that do not count.\n"
    "Exit code: 0; 1 where check-gradient finds a difference past its tolerance; 2 for bad input, "
    "with one line on stderr, and then no output file is written.";
constexpr char const* about_loss =
    "Prints one JSON object: cross_entropy, absolute_difference, logarithmic, sinkhorn, total, and "
    "teacher_columns and student_columns, a list of vocabulary ids for each sequence, -1 where "
    "there is none. total = cross_entropy + weight alpha (absolute_difference + beta logarithmic + "
    "gamma sinkhorn), sums over all rows that count.\n"
    "Under reference_code the three terms are those of the authors' code, and total = weight "
    "(absolute_difference + 0.1 logarithmic + 0.1 sinkhorn).\n"
    "An infinite number (cross-entropy with a masked label is one) is written as 1e999, which JSON "
    "readers take for infinity; one that is not defined as null.";
constexpr char const* about_check =
    "Entries are drawn from rows that count: half of them in the columns compared, a quarter at "
    "labels, a quarter anywhere. The differences are those of the loss in double precision with "
    "the ranking held; the gradient is of the precision asked for. The difference printed is\n"
    "|analytic - numeric| / max(|analytic|, |numeric|, 1e-3 of the largest entry, what rounding "
    "lets be seen).\n"
    "Exit code 1 where one is past the tolerance.";

/// Numbers are parsed here because CLI11's own conversion reads 010 as 8 and takes trailing text.
template <class Number>
bool parse_number(std::string const& text, Number& into) {
  char const *const first = text.data(), *const last = first + text.size();
  auto const [end, problem] = std::from_chars(first, last, into);
  return problem == std::errc() && end == last;
}

template <class Number>
CLI::Option* number(CLI::App& app, std::string const& name, Number& into, std::string const& help) {
  constexpr bool whole = std::is_integral_v<Number>;
  auto const take = [&into, name](CLI::results_t const& words) {
    Number value{};
    if (!parse_number(words.front(), value))
      throw user_error(name + ": " + words.front() + " given, must be a " +
                       (whole ? "whole " : "") + "number");
    into = value;
    return true;
  };
  return app.add_option(name, take, help)->type_name(whole ? "N" : "X");
}
template <class Number>
CLI::Option* number_or(CLI::App& app, std::string const& name, Number& into, char const* otherwise,
                       std::string const& help) {
  return number(app, name, into, help)->default_str(otherwise);
}

/// An option that says one of these words. It starts as `into` is.
template <class Value>
CLI::Option* choice(CLI::App& app, std::string const& name,
                    std::vector<std::pair<std::string, Value>> const& allowed, Value& into,
                    std::string const& help) {
  std::string listed, spoken, start;
  for (auto const& [word, value] : allowed) {
    bool const first = listed.empty(), last = word == allowed.back().first;
    listed += (first ? "" : ",") + word;
    spoken += (first ? "" : last ? " or " : ", ") + word;
    if (value == into) start = word;
  }
  auto const take = [&into, name, allowed, spoken](CLI::results_t const& words) {
    for (auto const& [word, value] : allowed)
      if (word == words.front()) {
        into = value;
        return true;
      }
    throw user_error(name + ": " + words.front() + " given, must be " + spoken);
  };
  return app.add_option(name, take, help)->type_name("{" + listed + "}")->default_str(start);
}
/// One of two.
CLI::Option* choice(CLI::App& app, std::string const& name, std::string const& no,
                    std::string const& yes, bool& into, bool starts, std::string const& help) {
  into = starts;
  return choice<bool>(app, name, {{no, false}, {yes, true}}, into, help);
}

struct optional_number {
  double value = 0;
  CLI::Option* option = nullptr;
  std::optional<double> get() const {
    return option->count() > 0 ? std::optional(value) : std::nullopt;
  }
};

/// One subcommand and where its arguments go.
struct subcommand {
  CLI::App& app;
  settings s;
  optional_number teacher_temperature, tolerance;

  subcommand(CLI::App& parent, command run, char const* name, char const* help, char const* more)
      : app(*parent.add_subcommand(name, help)) {
    s.run = run;
    app.footer(more);
    app.add_option("--teacher", s.teacher, "Teacher logits")->required()->type_name("FILE");
    app.add_option("--student", s.student, "Student logits")->required()->type_name("FILE");
    app.add_option("--labels", s.labels,
                   "Student labels: which rows count, and cross-entropy. Without: all rows, none")
        ->type_name("FILE");
    app.add_option("--teacher-labels", s.teacher_labels, "Teacher labels: which rows count")
        ->type_name("FILE");
    choice(app, "--preset", "paper", "reference_code", s.reference_code, false,
           "The paper's equations, or what the authors' code computes: windows derived from both "
           "labels, constants of its own");
    choice(app, "--device", "scalar", "simd", s.simd, has_simd(), "Which kernels");
    choice(app, "--precision", "f64", "f32", s.f32, false, "The arithmetic");
    number_or(app, "--k", s.k, "50", "Columns kept of either vocabulary, at least 1");
    number_or(app, "--temperature", s.temperature, "1", "Softmax temperature, above 0");
    teacher_temperature.option =
        number(app, "--teacher-temperature", teacher_temperature.value,
               "The teacher's softmax temperature; without: --temperature");
    number_or(app, "--transport-temperature", s.transport_temperature, "2",
              "Softmax temperature of the transport cost, above 0");
    number_or(app, "--epsilon", s.epsilon, "0.1", "Entropic regularisation, above 0");
    number_or(app, "--iterations", s.iterations, "20", "Sinkhorn iterations, 1 to 1000000");
    number_or(app, "--alpha", s.alpha, "0.15", "Weight of the distillation terms");
    number_or(app, "--beta", s.beta, "0.1", "Weight of the logarithmic term within them");
    number_or(app, "--gamma", s.gamma, "0.1", "Weight of the Sinkhorn term within them");
    choice(app, "--transport-ranking", "shared", "own", s.own_ranking, false,
           "The transport cost compares the same columns, or those ranked at its temperature");
    choice<mlot::column_matching>(app, "--matching",
                                  {{"rank", mlot::column_matching::rank},
                                   {"greedy", mlot::column_matching::greedy},
                                   {"exact", mlot::column_matching::exact}},
                                  s.matching,
                                  "The student's columns: its own by mass, or those that differ "
                                  "least from the teacher's, one after another or in sum");
    choice(app, "--transport-level", "sequence", "token", s.token_level, false,
           "Transport between the tokens of a sequence, or between the columns of every token");
    choice(app, "--sinkhorn-gradient", "unrolled", "plan_constant", s.plan_constant, false,
           "Exact through all iterations, or with the plan held constant");
    number_or(app, "--weight", s.weight, "1", "Factor of the whole distillation part of the total");
    app.add_flag("--skip-student-eos", s.skip_student_end,
                 "reference_code: the student's windows end before their last label");
    app.add_flag("--skip-teacher-eos", s.skip_teacher_end, "reference_code: the teacher's do");
    if (run == command::loss) {
      app.add_option("--gradient", s.gradient,
                     "Writes d total / d student logits, in their shape and in --precision")
          ->type_name("FILE");
      app.add_option("--plan", s.plan,
                     "Writes the transport plan (teacher tokens, student tokens) of the rows that "
                     "count; of a batch (B, most teacher tokens, most student tokens), padded by 0")
          ->type_name("FILE");
    } else {
      number_or(app, "--samples", s.samples, "20", "Entries compared, at least 1");
      number_or(app, "--seed", s.seed, "0", "Of the random choice of entries");
      tolerance.option = number(app, "--tolerance", tolerance.value, "Relative, above 0")
                             ->default_str("1e-5, or 1e-3 with f32");
      number_or(app, "--step", s.step, "1e-5", "Of the differences, in logits, above 0");
    }
  }

  settings finish() {
    s.teacher_temperature = teacher_temperature.get();
    if (tolerance.option != nullptr) s.tolerance = tolerance.get();
    check();
    return s;
  }

 private:
  bool given(char const* name) const { return app.get_option(name)->count() > 0; }
  void check() const {
    auto const text = [](double x) {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.17g", x);
      return std::string(digits);
    };
    auto const positive = [&](char const* name, double x) {
      if (!(x > 0 && std::isfinite(x)))
        throw user_error(name + (": " + text(x)) + " given, must be finite and above 0");
    };
    if (s.simd && !has_simd())
      throw user_error(
          "--device: simd given, must be scalar: this program was built without xsimd");
    if (!std::isfinite(s.weight))
      throw user_error("--weight: " + text(s.weight) + " given, must be finite");
    if (s.iterations > 1000000)
      throw user_error("--iterations: " + std::to_string(s.iterations) +
                       " given, must be at most 1000000");
    if (s.teacher_temperature) positive("--teacher-temperature", *s.teacher_temperature);
    if (s.run == command::check_gradient) {
      if (s.samples < 1)
        throw user_error("--samples: " + std::to_string(s.samples) + " given, must be at least 1");
      if (s.tolerance) positive("--tolerance", *s.tolerance);
      positive("--step", s.step);
      if (s.plan_constant)
        throw user_error(
            "--sinkhorn-gradient: plan_constant given, must be unrolled: the gradient "
            "with a constant plan is no derivative of the total");
    }
    s.reference_code ? check_reference_code() : check_paper();
  }
  void check_paper() const {
    for (char const* const name : {"--skip-student-eos", "--skip-teacher-eos"})
      if (given(name)) throw user_error(name + std::string(": only with --preset reference_code"));
    if (s.token_level && !s.plan.empty())
      throw user_error(
          "--plan: only with --transport-level sequence, which has a plan between tokens");
  }
  /// Its constants are part of what it reproduces. Naming a default is allowed: scripts may pass
  /// every option.
  void check_reference_code() const {
    settings const fixed;
    auto const constant = [&](char const* name, bool is_default) {
      if (!is_default)
        throw user_error(name + std::string(": does not apply to --preset reference_code, whose "
                                            "constants are fixed"));
    };
    constant("--k", s.k == fixed.k);
    constant("--transport-temperature", s.transport_temperature == fixed.transport_temperature);
    constant("--epsilon", s.epsilon == fixed.epsilon);
    constant("--iterations", s.iterations == fixed.iterations);
    constant("--alpha", s.alpha == fixed.alpha);
    constant("--beta", s.beta == fixed.beta);
    constant("--gamma", s.gamma == fixed.gamma);
    constant("--matching", s.matching == fixed.matching);
    constant("--transport-level", !s.token_level);
    constant("--transport-ranking", !s.own_ranking);
    constant("--sinkhorn-gradient", !s.plan_constant);
    for (char const* const name : {"--labels", "--teacher-labels"})
      if (!given(name))
        throw user_error(name + std::string(": missing; --preset reference_code derives its "
                                            "windows from the labels of both models"));
  }
};
std::string one_sentence(CLI::ParseError const& problem, CLI::App const& app, int count,
                         char const* const* words) {
  std::string const what = problem.what();
  if (app.get_subcommands().empty())
    return std::string("the first argument: ") + (count > 1 ? words[1] : "none") +
           " given, must be loss, check-gradient or --help";
  if (problem.get_name() == "ArgumentMismatch")
    return what.substr(0, what.find(':')) + ": must be given once, with one value";
  return what + " (--help lists the arguments)";
}
}  // namespace

std::optional<settings> read_command_line(int count, char const* const* words) {
  CLI::App app(about, "mlot_cli");
  app.require_subcommand(1);
  subcommand loss(app, command::loss, "loss", "Prints the loss, its terms and the columns compared",
                  about_loss);
  subcommand check(app, command::check_gradient, "check-gradient",
                   "Compares the analytic gradient with central differences", about_check);
  try {
    app.parse(count, words);
  } catch (CLI::ParseError const& problem) {
    if (problem.get_exit_code() != 0) throw user_error(one_sentence(problem, app, count, words));
    app.exit(problem);  // prints the help
    return std::nullopt;
  }
  return (loss.app.parsed() ? loss : check).finish();
}
}  // namespace mlot_cli
