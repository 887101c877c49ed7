#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "mlot_cli/number.hpp"
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
    "Prints one JSON object: the terms of the loss by name, the last of them total, sums over all "
    "rows that count; and of losses that compare columns, teacher_columns and student_columns, a "
    "list of vocabulary ids for each sequence, -1 where there is none.\n"
    "An infinite number (cross-entropy with a masked label is one) is written as 1e999, which JSON "
    "readers take for infinity; one that is not defined as null.";
constexpr char const* about_check =
    "Entries are drawn from rows that count: half of them in the columns compared, a quarter at "
    "labels, a quarter anywhere. The differences are those of the loss in double precision with "
    "the ranking held; the gradient is of the precision asked for. The difference printed is\n"
    "|analytic - numeric| / max(|analytic|, |numeric|, 1e-3 of the largest entry, what rounding "
    "lets be seen).\n"
    "Exit code 1 where one is past the tolerance.";

/// The losses, what they add up, and the options that are not for all.
std::string about_losses() {
  std::string text = "\n\nLosses, their total, and their options:";
  for (loss_entry const& loss : all_losses()) {
    text.append("\n").append(loss.word).append(": ").append(loss.total);
    if (loss.one_vocabulary) text += ". Both models have the same vocabulary";
    if (loss.needs_labels) text += ". Needs --labels and --teacher-labels";
    text += ".";
    for (std::string_view const option : loss.options) text.append(" ").append(option);
  }
  return text;
}

/// Numbers are parsed here because CLI11's own conversion reads 010 as 8 and takes trailing text.
bool parse_number(std::string const& text, double& into) {
  std::optional<double> const value = number_of(text);
  into = value.value_or(0);
  return value.has_value();
}
bool parse_number(std::string const& text, index_t& into) {
  char const *const first = text.data(), *const last = first + text.size();
  auto const [end, problem] = std::from_chars(first, last, into);
  return problem == std::errc() && end == last;
}

template <class Into>
struct number_in {
  using type = Into;
};
template <class Number>
struct number_in<std::optional<Number>> {
  using type = Number;
};
/// `into` starts as it is: a number, or none where what is not given is for others to say. The
/// reader of --help is told `otherwise`.
template <class Into>
CLI::Option* number(CLI::App& app, std::string const& name, Into& into, char const* otherwise,
                    std::string const& help) {
  using type = typename number_in<Into>::type;
  constexpr bool whole = std::is_integral_v<type>;
  auto const take = [&into, name](CLI::results_t const& words) {
    type value{};
    if (!parse_number(words.front(), value))
      throw user_error(name + ": " + words.front() + " given, must be a " +
                       (whole ? "whole " : "") + "number");
    into = value;
    return true;
  };
  return app.add_option(name, take, help)->type_name(whole ? "N" : "X")->default_str(otherwise);
}

void check_device(settings const& s) {
  if (s.simd && !has_simd())
    throw user_error("--device: simd given, must be scalar: this program was built without xsimd");
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

constexpr char const* about_teacher =
    "The tables that multi-level needs of a teacher, in the safetensors format: its columns ranked "
    "over each sequence, and the normalisers of its softmax. loss --teacher takes them in the "
    "place of logits, with the same bits at the same precision and device.";

/// The command that writes tables.
struct teacher_command {
  CLI::App& app;
  settings s;

  explicit teacher_command(CLI::App& parent)
      : app(*parent.add_subcommand("teacher", "Ranks a teacher once, for many students")) {
    s.run = command::teacher;
    app.footer(about_teacher);
    app.add_option("--teacher", s.teacher, "Teacher logits")->required()->type_name("FILE");
    app.add_option("--teacher-labels", s.teacher_labels, "Which rows count. Without: all")
        ->type_name("FILE");
    app.add_option("--out", s.out, "Written")->required()->type_name("FILE");
    choice(app, "--device", "scalar", "simd", s.simd, has_simd(), "Which kernels");
    choice(app, "--precision", "f64", "f32", s.f32, false, "The arithmetic");
    number(app, "--k", s.k, "50", "Columns kept, at least 1; the loss may take fewer");
    number(app, "--temperature", s.temperature, "1", "The teacher's softmax temperature, above 0");
    number(app, "--transport-temperature", s.transport_temperature, "2",
           "Softmax temperature of the transport cost, above 0");
    choice(app, "--transport-ranking", "shared", "own", s.own_ranking, false,
           "Whether columns ranked at that temperature are kept as well");
  }
  settings finish() const {
    check_device(s);
    return s;
  }
};

/// One subcommand on losses and where its arguments go.
struct subcommand {
  CLI::App& app;
  settings s;

  subcommand(CLI::App& parent, command run, char const* name, char const* help, char const* more)
      : app(*parent.add_subcommand(name, help)) {
    s.run = run;
    app.footer(more + about_losses());
    app.add_option("--teacher", s.teacher,
                   "Teacher logits; for multi-level also tables that the command teacher wrote")
        ->required()
        ->type_name("FILE");
    app.add_option("--student", s.student, "Student logits")->required()->type_name("FILE");
    app.add_option("--labels", s.labels,
                   "Student labels: which rows count, and cross-entropy. Without: all rows, none")
        ->type_name("FILE");
    app.add_option("--teacher-labels", s.teacher_labels,
                   "Teacher labels: which rows count. Where one model alone has labels, the same "
                   "positions of the other count; with as many positions they need not be given")
        ->type_name("FILE");
    std::vector<std::pair<std::string, loss_name>> names;
    for (loss_entry const& loss : all_losses()) names.emplace_back(loss.word, loss.loss);
    choice(app, "--loss", names, s.loss, "What is computed; listed below");
    choice(app, "--device", "scalar", "simd", s.simd, has_simd(), "Which kernels");
    choice(app, "--precision", "f64", "f32", s.f32, false, "The arithmetic");
    number(app, "--k", s.k, "50; distillkitplus 100; universal-logit 0, which is all",
           "Columns kept of either vocabulary, at least 1");
    number(app, "--temperature", s.temperature, "1; sinkd and distillkitplus 2",
           "Softmax temperature, above 0");
    number(app, "--teacher-temperature", s.teacher_temperature, "--temperature",
           "The teacher's softmax temperature, above 0");
    number(app, "--transport-temperature", s.transport_temperature, "2",
           "Softmax temperature of the transport cost, above 0");
    number(app, "--epsilon", s.epsilon, "0.1", "Entropic regularisation, above 0");
    number(app, "--iterations", s.iterations, "20", "Sinkhorn iterations, 1 to 1000000");
    number(app, "--alpha", s.alpha, "0.15", "Weight of the distillation terms");
    number(app, "--beta", s.beta, "0.1; jensen-shannon 0.5",
           "Weight of the logarithmic term within them; of jensen-shannon the teacher's weight in "
           "the mixture, 0 (forward KL) to 1 (reverse KL)");
    number(app, "--gamma", s.gamma, "0.1", "Weight of the Sinkhorn term within them");
    number(app, "--weight", s.weight, "1; universal-logit 1.5",
           "Factor of the whole distillation part of the total");
    number(app, "--ratio", s.ratio, "0.5", "Share of the divergence in the total, 0 to 1");
    number(
        app, "--lambda", s.lambda, "0.1",
        "Skew, 0 to 1: the weight in the mixture of the side that the divergence is measured from");
    app.add_flag("--temperature-squared", s.temperature_squared,
                 "Multiplies the divergence by the square of the temperature");
    choice(app, "--transport-ranking", "shared", "own", s.own_ranking, false,
           "The transport cost compares the same columns, or those ranked at its temperature");
    choice<mlot::column_matching>(
        app, "--matching",
        {{"rank", mlot::column_matching::rank},
         {"greedy", mlot::column_matching::greedy},
         {"exact", mlot::column_matching::exact}},
        s.matching,
        "The student's columns: its own by mass, or those that differ "
        "least from the teacher's, one after another (reference-code: f = "
        "2) or in sum");
    choice(app, "--transport-level", "sequence", "token", s.token_level, false,
           "Transport between the tokens of a sequence, or between the columns of every token");
    choice(app, "--sinkhorn-gradient", "unrolled", "plan_constant", s.plan_constant, false,
           "Exact through all iterations, or with the plan held constant");
    app.add_flag("--skip-student-eos", s.skip_student_end,
                 "The student's windows end before their last label");
    app.add_flag("--skip-teacher-eos", s.skip_teacher_end, "The teacher's do");
    if (run == command::loss) {
      app.add_option("--gradient", s.gradient,
                     "Writes d total / d student logits, in their shape and in --precision")
          ->type_name("FILE");
      app.add_option("--plan", s.plan,
                     "Writes the transport plan (teacher tokens, student tokens) of the rows that "
                     "count; of a batch (B, most teacher tokens, most student tokens), padded by 0")
          ->type_name("FILE");
    } else {
      number(app, "--samples", s.samples, "20", "Entries compared, at least 1");
      number(app, "--seed", s.seed, "0", "Of the random choice of entries");
      number(app, "--tolerance", s.tolerance, "1e-5, or 1e-3 with f32", "Relative, above 0");
      number(app, "--step", s.step, "1e-5", "Of the differences, in logits, above 0");
    }
  }

  settings finish() const {
    check();
    return s;
  }

 private:
  /// Whether it is on the command line; --plan is no option of check-gradient.
  bool given(std::string const& name) const {
    CLI::Option const* const option = app.get_option_no_throw(name);
    return option != nullptr && option->count() > 0;
  }
  void check() const {
    auto const positive = [&](char const* name, double x) {
      if (!(x > 0 && std::isfinite(x)))
        throw user_error(name + (": " + digits(x)) + " given, must be finite and above 0");
    };
    check_device(s);
    if (s.weight && !std::isfinite(*s.weight))
      throw user_error("--weight: " + digits(*s.weight) + " given, must be finite");
    if (s.iterations.value_or(0) > 1000000)
      throw user_error("--iterations: " + std::to_string(*s.iterations) +
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
      if (s.loss == loss_name::adaptive_kl)
        throw user_error(
            "--loss: adaptive-kl given, must be another: its gradient holds the shares of both "
            "divergences constant, and is no derivative of the total");
    }
    check_loss(entry_of(s.loss));
  }
  /// Every option that only some losses have is one of this loss.
  void check_loss(loss_entry const& loss) const {
    std::string const named = "--loss " + std::string(loss.word);
    for (loss_entry const& other : all_losses())
      for (std::string_view const option : other.options)
        if (!loss.takes(option) && given(std::string(option))) {
          std::string own;
          for (std::string_view const name : loss.options) own.append(" ").append(name);
          throw user_error(std::string(option) + ": no option of " + named + ", which has" + own);
        }
    if (loss.needs_labels)
      for (char const* const name : {"--labels", "--teacher-labels"})
        if (!given(name))
          throw user_error(name + (": missing; " + named) +
                           " finds the rows that it compares by the labels of both models");
    if (s.token_level && !s.plan.empty())
      throw user_error(
          "--plan: only with --transport-level sequence, which has a plan between tokens");
    if (s.loss == loss_name::reference_code && s.matching == mlot::column_matching::exact)
      throw user_error("--matching: exact given, must be rank or greedy with " + named);
  }
};
std::string one_sentence(CLI::ParseError const& problem, CLI::App const& app, int count,
                         char const* const* words) {
  std::string const what = problem.what();
  if (app.get_subcommands().empty())
    return std::string("the first argument: ") + (count > 1 ? words[1] : "none") +
           " given, must be loss, check-gradient, teacher or --help";
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
  teacher_command teacher(app);
  try {
    app.parse(count, words);
  } catch (CLI::ParseError const& problem) {
    if (problem.get_exit_code() != 0) throw user_error(one_sentence(problem, app, count, words));
    app.exit(problem);  // prints the help
    return std::nullopt;
  }
  if (teacher.app.parsed()) return teacher.finish();
  return (loss.app.parsed() ? loss : check).finish();
}
}  // namespace mlot_cli
