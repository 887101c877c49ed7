#pragma once
#ifdef _OPENMP
#  include <omp.h>
#endif
#include "devices.hpp"
namespace kit {
/// Sets the number of OpenMP threads, where there are any, and sets it back. Of the emulated grid,
/// the order in which threads run: falling for more than one.
class thread_count {
 public:
  explicit thread_count(int count) {
#ifdef _OPENMP
    before_ = omp_get_max_threads();
    omp_set_dynamic(0);
    omp_set_num_threads(count);
#else
    before_ = count;
#endif
    run_falling(count > 1);
  }
  ~thread_count() {
#ifdef _OPENMP
    omp_set_num_threads(before_);
#endif
    run_falling(false);
  }
  thread_count(thread_count const&) = delete;

 private:
  int before_;
  static void run_falling([[maybe_unused]] bool falling) {
#if MLOT_TEST_GRID && !defined(__CUDACC__)
    using kit::emulation::order;
    kit::emulation::current_order() = falling ? order::falling : order::rising;
#endif
  }
};
}  // namespace kit
