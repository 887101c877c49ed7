#pragma once
#include <chrono>
namespace distill {
/// Seconds since it was made or last read by lap().
class stopwatch {
 public:
  double lap() {
    auto const now = clock::now();
    double const seconds = std::chrono::duration<double>(now - since_).count();
    since_ = now;
    return seconds;
  }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point since_ = clock::now();
};
}  // namespace distill
