#pragma once
#include <memory>
#include <string_view>

#include "distill/types.hpp"
namespace sentencepiece {
class SentencePieceProcessor;
}
namespace distill {
enum class tokenizer_kind { unigram, bpe, character };
/// As people call it: unigram, BPE, characters.
char const* name_of(tokenizer_kind kind);

struct tokenizer_choice {
  tokenizer_kind kind;
  index_t pieces;  ///< at most
  bool operator==(tokenizer_choice const&) const = default;
};

/// A SentencePiece model trained in memory on the given text.
class tokenizer {
 public:
  /// `size` is an upper bound: a small text gives fewer pieces. Text is taken as it is, without
  /// Unicode normalisation. Every character of it gets a piece, unless there are too many for
  /// `size`: then the rarest (up to 2 % of the text) are unknown(). Same text, same tokenizer.
  /// Throws user_error where SentencePiece refuses.
  static tokenizer train(std::span<std::string const> text, tokenizer_kind kind, index_t size);

  tokenizer(tokenizer&&) noexcept;
  ~tokenizer();

  std::vector<token> encode(std::string_view text) const;
  index_t size() const;
  token start() const;    ///< <s>
  token unknown() const;  ///< <unk>, for characters without a piece
  /// A token as people read it, a space shown as U+2581.
  std::string const& piece(token id) const;

 private:
  explicit tokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> model);
  std::unique_ptr<sentencepiece::SentencePieceProcessor> model_;
};
}  // namespace distill
