#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "distill/types.hpp"
namespace distill {
/// Text in segments of at most 240 bytes that end where sentences end.
struct corpus {
  std::vector<std::string> train;
  std::vector<std::string> held_out;  ///< the last 5 % of every book
};

/// Jane Austen's novels; `cache` keeps the downloaded file.
corpus austen_corpus(std::filesystem::path const& cache);
/// A plain text file. Throws user_error where it cannot be read or is too small to hold text out.
corpus file_corpus(std::filesystem::path const& file);
}  // namespace distill
