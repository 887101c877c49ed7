#pragma once
#include <cmath>
#include <limits>
namespace kit {
/// The largest error of many. A NaN is an infinite error; equal infinities are none.
struct largest_error {
  double value = 0;
  void add(long double error) {
    if (!(error <= (long double)(value)))
      value = std::isnan(error) ? std::numeric_limits<double>::infinity() : double(error);
  }
  void absolute(long double is, long double should) {
    if (is != should) add(std::fabs(is - should));
  }
  void relative(long double is, long double should) {
    if (is != should) add(std::fabs(is - should) / std::fabs(should));
  }
};

/// Error of a whole array relative to its Euclidean norm; absolute where that is 0.
struct norm_error {
  long double error = 0, norm = 0;
  void add(long double is, long double should) {
    error += (is - should) * (is - should);
    norm += should * should;
  }
  double value() const {
    if (std::isnan(error)) return std::numeric_limits<double>::infinity();
    return double(norm > 0 ? std::sqrt(error / norm) : std::sqrt(error));
  }
};
}  // namespace kit
