#pragma once
#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <string>

#include "distill/types.hpp"
/// What a command line may hold beyond CLI11's own kinds of values.
namespace distill {
/// CLI11's own ranges let NaN and infinity pass.
inline CLI::Validator real_number(bool zero_too) {
  std::string const allowed = zero_too ? "finite and at least 0" : "finite and above 0";
  return {[=](std::string& text) {
            double value = NAN;
            bool const read = CLI::detail::lexical_cast(text, value);
            bool const good = read && std::isfinite(value) && (zero_too ? value >= 0 : value > 0);
            return good ? std::string() : text + " given, must be " + allowed;
          },
          "FLOAT " + allowed};
}
inline CLI::Range count(index_t most) { return {index_t(1), most}; }

template <class Value>
using words = std::map<std::string, Value>;

/// The keys of `all`, with `between` them.
template <class Value>
std::string listed(words<Value> const& all, std::string const& between) {
  std::string out;
  for (auto const& [word, value] : all) out += (out.empty() ? "" : between) + word;
  return out;
}

/// An option that is one of some words, which its help lists.
template <class Value>
CLI::Option* add_choice(CLI::App& app, std::string const& name, Value& chosen,
                        words<Value> const& all, std::string const& help) {
  auto const known = [all](std::string& word) {
    return all.contains(word) ? std::string() : word + " given, must be " + listed(all, " or ");
  };
  return app
      .add_option_function<std::string>(
          name, [&chosen, all](std::string const& word) { chosen = all.at(word); }, help)
      ->type_name(listed(all, "|"))
      ->check(CLI::Validator(known, ""));
}
}  // namespace distill
