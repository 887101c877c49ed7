#include "distill/settings.hpp"

#include <algorithm>
#include <iostream>
#include <thread>

#include "distill/loss_arguments.hpp"

namespace distill {
std::optional<settings> parse_command_line(int argc, char const* const* argv) {
  settings s;
  s.threads = std::max<index_t>(1, std::thread::hardware_concurrency());
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
  loss_arguments loss(app);

  try {
    app.parse(argc, argv);
  } catch (CLI::CallForHelp const&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (CLI::ParseError const& wrong) {
    throw user_error(wrong.what());
  }
  if (quick) {
    if (teacher_pieces->empty()) teacher.pieces = 400;
    if (student_pieces->empty()) student.pieces = 200;
    s.course.train_segments = 48;
    s.course.held_out_segments = 16;
    s.training.width = s.training.hidden = 32;
    if (epochs->empty()) s.training.epochs = 2;
  }
  if (shared) student = teacher;
  s.training.loss = loss.chosen(s.course.one_vocabulary(), s.check);
  return s;
}
}  // namespace distill
