#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "distill/types.hpp"
namespace distill {
/// The paragraphs of lines, an empty line between two; within one, every run of white space is a
/// single space. Underscores, which mark italics in plain-text novels, are left out on request.
std::vector<std::string> paragraphs(std::span<std::string const> lines, bool drop_underscores);

/// Cuts a paragraph into segments of at most `limit` bytes: as many whole sentences as fit; a
/// longer sentence at a space; a longer word between two UTF-8 characters. The segments are the
/// whole paragraph, in order, but for the spaces at the cuts. limit >= 4.
std::vector<std::string> segments(std::string_view paragraph, std::size_t limit);
}  // namespace distill
