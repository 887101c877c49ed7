#pragma once
#include <algorithm>

#include "cli/program.hpp"
#include "random.hpp"
#include "test.hpp"
namespace cli_test {
/// A folder with what tests of the program say of it.
struct cases : folder {
  template <class S = float>
  static std::vector<S> random_logits(std::size_t count, std::uint64_t seed) {
    random_source random(seed);
    std::vector<S> logits(count);
    for (S& z : logits) z = S(2 * random.normal());
    return logits;
  }
  std::string logits(std::string const& name, std::string const& shape, std::size_t count,
                     std::uint64_t seed) const {
    return write(name, npy("<f4", shape, random_logits(count, seed)));
  }
  std::string labels(std::string const& name, std::string const& shape,
                     std::vector<std::int64_t> const& ids) const {
    return write(name, npy("<i8", shape, ids));
  }
  /// What it prints with exit code 0.
  std::string good(words const& arguments) const {
    outcome const result = run(arguments);
    CAPTURE(arguments);
    INFO(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.err.empty());
    return result.out;
  }
};
inline constexpr char const* loss_names[] = {
    "multi-level", "universal-logit", "sinkd",          "forward-kl",
    "reverse-kl",  "jensen-shannon",  "skewed-kl",      "skewed-reverse-kl",
    "adaptive-kl", "total-variation", "reference-code", "distillkitplus"};
}  // namespace cli_test
