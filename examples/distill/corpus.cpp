#include "distill/corpus.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "distill/austen.hpp"
#include "distill/segments.hpp"

namespace distill {
namespace {
constexpr std::size_t segment_limit = 240;
constexpr double held_out_share = 0.05;

void add_book(std::span<std::string const> lines, bool drop_underscores, corpus& out) {
  std::vector<std::string> book;
  for (std::string const& paragraph : paragraphs(lines, drop_underscores))
    for (std::string& segment : segments(paragraph, segment_limit))
      book.push_back(std::move(segment));
  auto const last = book.begin() + std::ptrdiff_t(double(book.size()) * (1 - held_out_share));
  out.train.insert(out.train.end(), book.begin(), last);
  out.held_out.insert(out.held_out.end(), last, book.end());
}
}  // namespace

corpus austen_corpus(std::filesystem::path const& cache) {
  corpus out;
  for (auto const& lines : austen_novels(cache)) add_book(lines, true, out);
  return out;
}

corpus file_corpus(std::filesystem::path const& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file))
    throw user_error("--corpus: cannot read " + file.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    // NUL ends a string somewhere inside the tokenizer's trainer; other bytes are its business.
    std::erase(line, '\0');
    lines.push_back(line);
  }
  corpus out;
  add_book(lines, false, out);
  constexpr std::size_t fewest_segments = 40;
  if (out.train.size() + out.held_out.size() < fewest_segments)
    throw user_error("--corpus: " + file.string() +
                     " is too small: " + std::to_string(out.train.size() + out.held_out.size()) +
                     " segments of text, at least " + std::to_string(fewest_segments) +
                     " are needed");
  return out;
}
}  // namespace distill
