#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
/// Pseudo-random numbers that are the same with every standard library, which those of <random>'s
/// distributions are not.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {  // splitmix64
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  /// In [0, 1).
  double uniform() { return double(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {
    double const radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  /// In 0 .. n - 1.
  std::int64_t below(std::int64_t n) { return std::int64_t(bits() % std::uint64_t(n)); }

 private:
  std::uint64_t state_;
};
