#pragma once
#include "mlot/core/function_ref.hpp"
#include "mlot/core/macros.hpp"
#include "mlot/core/status.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// Threads that go through the same code together, each with its share.
struct team {
  index_t rank = 0, size = 1;
  /// All have arrived, and see what the others wrote.
  void wait() const {
#ifdef _OPENMP
    if (size > 1) {
#  pragma omp barrier
    }
#endif
  }
  /// This thread's share of `count` pieces begins here and ends where the next one's begins.
  index_t share(index_t count) const { return count * rank / size; }
  index_t share_end(index_t count) const { return count * (rank + 1) / size; }
};

/// Work below this many elementary operations is not worth waking a thread for. Tests set it low:
/// everywhere in a program, or nowhere.
#ifdef MLOT_LEAST_PARALLEL_WORK
inline constexpr index_t least_parallel_work = MLOT_LEAST_PARALLEL_WORK;
#else
inline constexpr index_t least_parallel_work = index_t(1) << 16;
#endif

/// Threads that a team of ours may have now: one inside a caller's parallel region, whose threads
/// are busy. It may differ from call to call, so no size of memory and no result depends on it.
inline index_t max_threads() {
#ifdef _OPENMP
  return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

/// Calls body(team) on every thread of a team: OpenMP's threads where it is compiled in and `work`
/// is worth them. A team of one is a plain call: libgomp allocates for a region that it
/// serialises.
MLOT_COMPILED_ONCE inline void parallel_team(index_t work, function_ref<void(team)> body) {
#ifdef _OPENMP
  if (work >= least_parallel_work && max_threads() > 1) {
#  pragma omp parallel
    body(team{omp_get_thread_num(), omp_get_num_threads()});
    return;
  }
#else
  (void)work;
#endif
  body(team{});
}

/// Calls body(i) for 0 <= i < count, `chunk` calls at a time in any order, on OpenMP's threads
/// where `work`, that of all calls, is worth them. Calls must not write what others read: then
/// results do not depend on the number of threads.
MLOT_COMPILED_ONCE inline void parallel_for(index_t count, index_t chunk, index_t work,
                                            function_ref<void(index_t)> body) {
#ifdef _OPENMP
  if (work >= least_parallel_work && count > chunk && max_threads() > 1) {
#  pragma omp parallel for schedule(dynamic, chunk)
    for (index_t i = 0; i < count; ++i) body(i);
    return;
  }
#else
  (void)chunk, (void)work;
#endif
  for (index_t i = 0; i < count; ++i) body(i);
}

/// The same, one call at a time: body(i, rank), where rank < `ranks` is that of the thread among
/// those of this loop, whatever it is called in other teams. Memory of that number is its own until
/// the loop ends. Threads beyond `ranks` wait: a smaller team would end them, and start them again.
MLOT_COMPILED_ONCE inline void parallel_for_ranks(index_t count, index_t ranks, index_t work,
                                                  function_ref<void(index_t, index_t)> body) {
#ifdef _OPENMP
  if (work >= least_parallel_work && count > 1 && ranks > 1 && max_threads() > 1) {
    index_t next = 0;
#  pragma omp parallel
    for (index_t const rank = omp_get_thread_num(); rank < ranks;) {
      index_t i;
#  pragma omp atomic capture
      i = next++;
      if (i >= count) break;
      body(i, rank);
    }
    return;
  }
#else
  (void)ranks, (void)work;
#endif
  for (index_t i = 0; i < count; ++i) body(i, 0);
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
