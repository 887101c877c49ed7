#include "distill/course.hpp"

#include "distill/encoding.hpp"

namespace distill {
namespace {
kneser_ney count_ngrams(std::vector<std::string> const& text, tokenizer const& t, int order) {
  std::vector<std::vector<token>> encoded;
  for (std::string const& segment : text) encoded.push_back(t.encode(segment));
  return kneser_ney(encoded, t.size(), t.start(), order);
}

std::shared_ptr<tokenizer const> trained(corpus const& text, tokenizer_choice const& choice) {
  return std::make_shared<tokenizer const>(
      tokenizer::train(text.train, choice.kind, choice.pieces));
}
}  // namespace

course prepare(corpus const& text, course_options const& options, account& done) {
  auto const teacher_tokens = trained(text, options.teacher_tokenizer);
  auto const student_tokens =
      options.one_vocabulary() ? teacher_tokens : trained(text, options.student_tokenizer);
  done.line("tokenizers", "teacher: %s, %d pieces; student: %s, %d",
            name_of(options.teacher_tokenizer.kind), int(teacher_tokens->size()),
            name_of(options.student_tokenizer.kind), int(student_tokens->size()));

  auto const encoded = [&](std::vector<std::string> const& all, index_t count) {
    return encode(thinned(all, count), *teacher_tokens, *student_tokens);
  };
  course out = {.teacher_tokens = teacher_tokens,
                .student_tokens = student_tokens,
                .teacher = count_ngrams(text.train, *teacher_tokens, options.teacher_order),
                .data = {.train = encoded(text.train, options.train_segments),
                         .held_out = encoded(text.held_out, options.held_out_segments),
                         .student_vocabulary = student_tokens->size(),
                         .student_start = student_tokens->start()}};
  done.line("teacher", "Kneser-Ney %d-gram, %d n-grams, %.3f bits/byte held out",
            options.teacher_order, int(out.teacher.size()),
            bits_per_byte(out.teacher, out.data.held_out));
  if (double const share = student_share(student_tokens->unknown(), out.data.held_out); share > 0)
    done.line("", "%.2f %% of the student's held-out tokens are unknown characters", 100 * share);
  return out;
}
}  // namespace distill
