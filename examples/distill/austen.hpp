#pragma once
#include <filesystem>
#include <string>
#include <vector>
namespace distill {
/// The lines of Jane Austen's six novels, from the data file of Debian's package
/// r-cran-janeaustenr: downloaded and unpacked (never installed) into `cache` the first time, read
/// from there afterwards. Throws user_error, naming --corpus, where that cannot be done.
std::vector<std::vector<std::string>> austen_novels(std::filesystem::path const& cache);
}  // namespace distill
