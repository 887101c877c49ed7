#include "distill/tokenizer.hpp"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

namespace distill {
namespace {
class text_reader : public sentencepiece::SentenceIterator {
 public:
  explicit text_reader(std::span<std::string const> text) : text_(text) {}
  bool done() const override { return at_ == text_.size(); }
  void Next() override { ++at_; }
  std::string const& value() const override { return text_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<std::string const> text_;
  std::size_t at_ = 0;
};
}  // namespace

char const* name_of(tokenizer_kind kind) {
  return kind == tokenizer_kind::unigram ? "unigram"
         : kind == tokenizer_kind::bpe   ? "BPE"
                                         : "characters";
}

tokenizer tokenizer::train(std::span<std::string const> text, tokenizer_kind kind, index_t size) {
  std::string serialized, refusal;
  for (char const* coverage : {"1", "0.999", "0.98"}) {
    std::unordered_map<std::string, std::string> const options = {
        {"model_type", kind == tokenizer_kind::unigram ? "unigram"
                       : kind == tokenizer_kind::bpe   ? "bpe"
                                                       : "char"},
        {"vocab_size", std::to_string(size)},
        {"hard_vocab_limit", "false"},
        {"character_coverage", coverage},
        {"normalization_rule_name", "identity"},
        {"num_threads", "2"},  // fixed: sums, and so the pieces, depend on it
        {"minloglevel", "2"}};
    text_reader reader(text);
    auto const trained = sentencepiece::SentencePieceTrainer::Train(options, &reader, &serialized);
    refusal = trained.ok() ? "" : trained.error_message();
    if (trained.ok()) break;
  }
  if (!refusal.empty())
    throw user_error("SentencePiece cannot train " + std::to_string(size) +
                     " pieces on this text: " + refusal.substr(refusal.find("] ") + 1));
  auto model = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (auto const loaded = model->LoadFromSerializedProto(serialized); !loaded.ok())
    throw std::runtime_error(std::string("SentencePiece: ") + loaded.error_message());
  return tokenizer(std::move(model));
}

tokenizer::tokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> model)
    : model_(std::move(model)) {}
tokenizer::tokenizer(tokenizer&&) noexcept = default;
tokenizer::~tokenizer() = default;

std::vector<token> tokenizer::encode(std::string_view text) const {
  return model_->EncodeAsIds(text);
}
index_t tokenizer::size() const { return model_->GetPieceSize(); }
token tokenizer::start() const { return model_->bos_id(); }
token tokenizer::unknown() const { return model_->unk_id(); }
std::string const& tokenizer::piece(token id) const { return model_->IdToPiece(id); }
}  // namespace distill
