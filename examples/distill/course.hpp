#pragma once
#include <memory>

#include "distill/corpus.hpp"
#include "distill/kneser_ney.hpp"
#include "distill/progress.hpp"
#include "distill/tokenizer.hpp"
#include "distill/trainer.hpp"
namespace distill {
struct course_options {
  tokenizer_choice teacher_tokenizer = {tokenizer_kind::unigram, 4000};
  tokenizer_choice student_tokenizer = {tokenizer_kind::bpe, 1500};
  index_t train_segments = 800, held_out_segments = 256;  ///< for the students
  int teacher_order = 4;

  /// The same text and choice make the same tokenizer: then a token has one id on both sides.
  bool one_vocabulary() const { return teacher_tokenizer == student_tokenizer; }
  bool operator==(course_options const&) const = default;
};

/// All that students of one comparison share: a teacher, and the text that they learn from and are
/// judged by, as both sides read it.
struct course {
  std::shared_ptr<tokenizer const> teacher_tokens, student_tokens;
  kneser_ney teacher;
  training_data data;
};

/// Trains tokenizers and the teacher on the whole text, and tells `done` of it.
course prepare(corpus const& text, course_options const& options, account& done);
}  // namespace distill
