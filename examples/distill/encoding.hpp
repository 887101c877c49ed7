#pragma once
#include "distill/ragged.hpp"
#include "distill/tokenizer.hpp"
namespace distill {
/// At most `count` of `all`, evenly spaced.
std::vector<std::string> thinned(std::vector<std::string> const& all, index_t count);
/// Every segment as both models read it.
std::vector<sample> encode(std::vector<std::string> const& text, tokenizer const& teacher,
                           tokenizer const& student);
/// The part of the student's tokens that is `which`.
double student_share(token which, std::vector<sample> const& text);
}  // namespace distill
