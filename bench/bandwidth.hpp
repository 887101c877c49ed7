#pragma once
#include <algorithm>
#include <chrono>
#include <limits>

#include "inputs.hpp"
namespace bench {
/// Two arrays far larger than any cache, passed over by all threads.
class large_arrays {
 public:
  static constexpr index_t size = index_t(1) << 26, block_size = 1 << 14, lanes = 64;
  /// Bytes that a copy reads and writes. That its stores first fetch the lines is not counted, here
  /// as in the bytes of every benchmark.
  static constexpr double copied = 2 * sizeof(float) * double(size);
  static constexpr double read_only = copied / 2;

  /// Ordinary stores, as computations use; adding keeps the compiler from calling memcpy.
  void copy() {
#ifdef _OPENMP
#  pragma omp parallel for
#endif
    for (index_t i = 0; i < size; ++i) to_[i] = from_[i] + 1;
  }
  float read() const {
    float total = 0;
#ifdef _OPENMP
#  pragma omp parallel for reduction(+ : total)
#endif
    for (index_t block = 0; block < size; block += block_size) {
      float sum[lanes] = {};  // so many sums that none waits for its last addition
      for (index_t i = block; i < block + block_size; i += lanes)
        for (index_t l = 0; l < lanes; ++l) sum[l] += from_[i + l];
      for (float const s : sum) total += s;
    }
    return total;
  }

 private:
  array<float> from_ = array<float>(size), to_ = array<float>(size);
};

/// Bytes a second of the fastest of several copies by all threads, read and written both counted.
/// Measured once a process, so that a share of it compares two things of one run.
inline double copy_bandwidth() {
  static double const best = [] {
    large_arrays arrays;
    double least = std::numeric_limits<double>::infinity();
    for (int repetition = 0; repetition < 6; ++repetition) {
      auto const before = std::chrono::steady_clock::now();
      arrays.copy();
      std::chrono::duration<double> const time = std::chrono::steady_clock::now() - before;
      least = std::min(least, time.count());
    }
    return large_arrays::copied / least;
  }();
  return best;
}
}  // namespace bench
