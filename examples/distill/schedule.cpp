#include "distill/schedule.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#ifdef _OPENMP
#  include <omp.h>
#endif

namespace distill {
void for_each_job(index_t jobs, index_t threads, std::function<void(index_t)> const& job) {
  std::atomic<index_t> next = 0;
  std::exception_ptr first;
  std::mutex first_mutex;
  auto const work = [&] {
#ifdef _OPENMP
    omp_set_num_threads(1);  // of this thread's own parallel regions, those in mlot
#endif
    for (index_t i = next++; i < jobs; i = next++) {
      try {
        job(i);
      } catch (...) {
        std::lock_guard const lock(first_mutex);
        if (!first) first = std::current_exception();
        next = jobs;
      }
    }
  };
  std::vector<std::thread> workers;
  for (index_t i = 0; i < std::clamp<index_t>(threads, 1, std::max<index_t>(jobs, 1)); ++i)
    workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  if (first) std::rethrow_exception(first);
}
}  // namespace distill
