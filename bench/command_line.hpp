#pragma once
// What the programs that time have in common from the command line to the exit code.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "optimised.hpp"
namespace bench {
/// Parses the words and calls body(); says on the error stream what went wrong. Answers the exit
/// code.
template <class Body>
int run_program(CLI::App& app, int count, char** words, Body body) {
  refuse_unoptimised();
  CLI11_PARSE(app, count, words);
  try {
    body();
  } catch (std::exception const& problem) {
    std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), problem.what());
    return 1;
  }
  return 0;
}
}  // namespace bench
