#pragma once
#ifdef _OPENMP
#  include <omp.h>
#endif
namespace kit {
/// Sets the number of OpenMP threads, where there are any, and sets it back.
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
  }
  ~thread_count() {
#ifdef _OPENMP
    omp_set_num_threads(before_);
#endif
  }
  thread_count(thread_count const&) = delete;

 private:
  int before_;
};
}  // namespace kit
