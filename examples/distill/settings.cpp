#include "distill/settings.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <thread>

namespace distill {
namespace {
/// CLI11's own ranges let NaN and infinity pass.
CLI::Validator real_number(bool zero_too) {
  std::string const allowed = zero_too ? "finite and at least 0" : "finite and above 0";
  return {[=](std::string& text) {
            double value = NAN;
            bool const read = CLI::detail::lexical_cast(text, value);
            bool const good = read && std::isfinite(value) && (zero_too ? value >= 0 : value > 0);
            return good ? std::string() : text + " given, must be " + allowed;
          },
          "FLOAT " + allowed};
}
CLI::Range count(index_t most) { return {index_t(1), most}; }

template <class Value>
using words = std::map<std::string, Value>;

words<loss_kind> losses_that(bool (*are)(loss_facts const&)) {
  words<loss_kind> out;
  for (loss_facts const& facts : all_losses())
    if (are(facts)) out.emplace(facts.name, facts.kind);
  return out;
}

/// The keys of `all`, with `between` them.
template <class Value>
std::string listed(words<Value> const& all, std::string const& between) {
  std::string out;
  for (auto const& [word, value] : all) out += (out.empty() ? "" : between) + word;
  return out;
}

/// An option that is one of some words, which its help lists.
template <class Value>
CLI::Option* add_choice(CLI::App& app, std::string const& name, Value& chosen,
                        words<Value> const& all, std::string const& help) {
  auto const known = [all](std::string& word) {
    return all.contains(word) ? std::string() : word + " given, must be " + listed(all, " or ");
  };
  return app
      .add_option_function<std::string>(
          name, [&chosen, all](std::string const& word) { chosen = all.at(word); }, help)
      ->type_name(listed(all, "|"))
      ->check(CLI::Validator(known, ""));
}

void refuse_different_vocabularies(loss_kind kind, course_options const& course) {
  loss_facts const& facts = facts_of(kind);
  if (!facts.one_vocabulary || course.one_vocabulary()) return;
  auto const allowed = losses_that([](loss_facts const& f) { return !f.one_vocabulary; });
  throw user_error("--loss " + std::string(facts.name) +
                   ": it compares tokens by id, and the tokenizers differ; share one by "
                   "--shared-tokenizer, or take --loss " +
                   listed(allowed, " or "));
}
}  // namespace

std::optional<settings> parse_command_line(int argc, char const* const* argv) {
  settings s;
  s.threads = std::max<index_t>(1, std::thread::hardware_concurrency());
  loss_options loss;
  loss.device = available(loss_device::simd) ? loss_device::simd : loss_device::scalar;
  tokenizer_choice &teacher = s.course.teacher_tokenizer, &student = s.course.student_tokenizer;
  bool quick = false, shared = false;

  CLI::App app(
      "Distils a student language model from a teacher with another tokenizer, on real text, with "
      "cross-entropy alone and with a distillation loss added, and reports what comes out.",
      "distill");
  app.add_option("--corpus", s.corpus, "A plain text of some MB (default: Jane Austen's novels)");
  app.add_option("--out", s.out, "Folder for the pictures and downloads")->capture_default_str();
  app.add_option("--seeds", s.seeds, "Students trained on either objective")
      ->check(count(100))
      ->capture_default_str();
  auto* const epochs =
      app.add_option("--epochs", s.training.epochs, "Passes over the student's text")
          ->check(count(10000))
          ->capture_default_str();
  app.add_option("--threads", s.threads, "Students trained at a time; changes no result")
      ->check(count(1024))
      ->capture_default_str();
  app.add_flag("--check", s.check, "Only check the gradients by central differences");
  app.add_flag("--quick", quick, "A tiny run of a few seconds, to see that everything works");

  words<tokenizer_kind> const kinds = {{"unigram", tokenizer_kind::unigram},
                                       {"bpe", tokenizer_kind::bpe},
                                       {"char", tokenizer_kind::character}};
  add_choice(app, "--teacher-tokenizer", teacher.kind, kinds, "What the teacher reads");
  add_choice(app, "--student-tokenizer", student.kind, kinds, "What the student reads");
  constexpr index_t most_pieces = kneser_ney::largest_vocabulary;
  auto* const teacher_pieces =
      app.add_option("--teacher-pieces", teacher.pieces, "Size of its vocabulary, at most")
          ->check(count(most_pieces))
          ->capture_default_str();
  auto* const student_pieces =
      app.add_option("--student-pieces", student.pieces, "Size of its vocabulary, at most")
          ->check(count(most_pieces))
          ->capture_default_str();
  app.add_flag("--shared-tokenizer", shared, "The student reads the teacher's tokens");

  add_choice(app, "--loss", loss.kind, losses_that([](loss_facts const&) { return true; }),
             "What is added to cross-entropy");
  auto* const device = add_choice(
      app, "--device", loss.device,
      {{"scalar", loss_device::scalar}, {"simd", loss_device::simd}, {"cuda", loss_device::cuda}},
      "Where the loss runs");
  auto* const alpha = app.add_option("--alpha", loss.alpha,
                                     "Weight of the distillation terms (default: the loss's own)")
                          ->check(real_number(true));
  auto* const temperature =
      app.add_option("--temperature", loss.temperature,
                     "Of both sides' probabilities (default: the loss's own, 1; SinKD's 2)")
          ->check(real_number(false));
  std::vector<CLI::Option*> const of_transport = {
      app.add_option("--epsilon", loss.epsilon, "Entropic regularisation of SD")
          ->check(real_number(false))
          ->capture_default_str(),
      app.add_option("--iterations", loss.iterations, "Sinkhorn iterations of SD")
          ->check(count(100000))
          ->capture_default_str()};
  std::vector<CLI::Option*> const of_multi_level = {
      app.add_option("--k", loss.k, "Columns kept of either vocabulary")
          ->check(count(1 << 20))
          ->capture_default_str(),
      app.add_option("--had", loss.holistic, "Weight of HAD within the distillation terms")
          ->check(real_number(true))
          ->capture_default_str(),
      app.add_option("--beta", loss.beta, "Weight of SL within them")
          ->check(real_number(true))
          ->capture_default_str(),
      app.add_option("--gamma", loss.gamma, "Weight of SD within them")
          ->check(real_number(true))
          ->capture_default_str(),
      app.add_option("--transport-temperature", loss.transport_temperature,
                     "Of the probabilities that SD compares")
          ->check(real_number(false))
          ->capture_default_str(),
      add_choice(app, "--level", loss.level,
                 {{"sequence", transport::sequences}, {"token", transport::tokens}},
                 "What SD moves: tokens of sequences, or columns of tokens"),
      add_choice(
          app, "--matching", loss.match,
          {{"rank", matching::rank}, {"greedy", matching::greedy}, {"exact", matching::exact}},
          "How the student's columns find the teacher's")};

  try {
    app.parse(argc, argv);
  } catch (CLI::CallForHelp const&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (CLI::ParseError const& wrong) {
    throw user_error(wrong.what());
  }

  auto const only_for = [](std::vector<CLI::Option*> const& options, std::string const& losses) {
    for (CLI::Option const* option : options)
      if (!option->empty()) throw user_error(option->get_name() + ": only of --loss " + losses);
  };
  bool const multi_level = loss.kind == loss_kind::multi_level;
  if (!multi_level) only_for(of_multi_level, "multi-level");
  if (!multi_level && loss.kind != loss_kind::sinkd) only_for(of_transport, "multi-level or sinkd");
  if (alpha->empty()) loss.alpha = facts_of(loss.kind).alpha;
  if (temperature->empty()) loss.temperature = facts_of(loss.kind).temperature;
  if (!available(loss.device))
    throw user_error("--device " + device->as<std::string>() + ": this build has none" +
                     (loss.device == loss_device::cuda ? ", or this machine no card" : ""));
  if (loss.device == loss_device::cuda && (!multi_level || loss.match != matching::rank))
    throw user_error("--device cuda: only of --loss multi-level with --matching rank");
  if (s.check && !loss.is_smooth())
    throw user_error(
        "--check: differences give no gradient of --loss adaptive-kl, nor of "
        "--matching exact but with --beta 0 --gamma 0");
  s.training.loss = loss;

  if (quick) {
    if (teacher_pieces->empty()) teacher.pieces = 400;
    if (student_pieces->empty()) student.pieces = 200;
    s.course.train_segments = 48;
    s.course.held_out_segments = 16;
    s.training.width = s.training.hidden = 32;
    if (epochs->empty()) s.training.epochs = 2;
  }
  if (shared) student = teacher;
  refuse_different_vocabularies(loss.kind, s.course);
  return s;
}
}  // namespace distill
