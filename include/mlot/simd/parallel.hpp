#pragma once
#include "mlot/core/status.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif
namespace mlot::on {
/// Calls body(i) for 0 <= i < count, on OpenMP's threads where it is compiled in, `chunk` calls at
/// a time in any order. Calls must not write what others read: then results do not depend on the
/// number of threads.
template <class Body>
void parallel_for(index_t count, index_t chunk, Body body) {
#ifdef _OPENMP
  // A region of one thread is a plain loop: libgomp allocates for a region that it serialises.
  if (count > chunk && omp_get_max_threads() > 1 && !omp_in_parallel()) {
#  pragma omp parallel for schedule(dynamic, chunk)
    for (index_t i = 0; i < count; ++i) body(i);
    return;
  }
#else
  (void)chunk;
#endif
  for (index_t i = 0; i < count; ++i) body(i);
}
}  // namespace mlot::on
