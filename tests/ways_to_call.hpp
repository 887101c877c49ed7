#pragma once
#include <functional>
#include <thread>
#include <vector>
#ifdef _OPENMP
#  include <omp.h>
#endif
namespace kit {
/// Ways to call from many threads at once: each calls its argument some times.
struct way_to_call {
  char const* name;
  void (*from)(std::function<void()> const&);
};
inline void from_threads(std::function<void()> const& call) {
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n) threads.emplace_back(call);
  for (std::thread& thread : threads) thread.join();
}
inline way_to_call const ways_to_call[] = {
    {"std::thread", from_threads},
#ifdef _OPENMP
    {"parallel region",
     [](auto const& call) {
#  pragma omp parallel num_threads(4)
       call();
     }},
    {"parallel region of one thread",
     [](auto const& call) {
#  pragma omp parallel num_threads(1)
       call();
     }},
    {"tasks",
     [](auto const& call) {
#  pragma omp parallel num_threads(3)
#  pragma omp single
       for (int n = 0; n < 3; ++n) {
#  pragma omp task
         call();
       }
     }},
    {"nested regions",
     [](auto const& call) {
       int const before = omp_get_max_active_levels();
       omp_set_max_active_levels(3);
#  pragma omp parallel num_threads(2)
#  pragma omp parallel num_threads(2)
       call();
       omp_set_max_active_levels(before);
     }},
    {"dynamic teams",
     [](auto const& call) {
       omp_set_dynamic(1);
       call();
#  pragma omp parallel num_threads(3)
       call();
       omp_set_dynamic(0);
     }},
    {"threads with a region each",
     [](auto const& call) {
       from_threads([&] {
#  pragma omp parallel num_threads(2)
         call();
       });
     }},
#endif
};
}  // namespace kit
