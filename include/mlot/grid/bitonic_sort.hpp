#pragma once
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
/// Sorts `count` elements by compare-exchanges that no element's value decides about: thread
/// `thread` of `threads`, all of which call it, and `sync` is their barrier, last before it
/// returns. exchange(i, k), i < k, puts i and k in order. Any count: what is past the end counts as
/// last and need not move. Source: Batcher, Sorting networks and their applications (1968).
template <class Exchange, class Sync>
MLOT_DEVICE void bitonic_sort(index_t count, int thread, int threads, Exchange exchange,
                              Sync sync) {
  for (index_t half = 1; half < count; half *= 2) {
    for (index_t n = thread; n < count; n += threads) {  // halves, one of them turned round
      index_t const first = n / half * 2 * half, at = n % half;
      if (first + 2 * half - 1 - at < count) exchange(first + at, first + 2 * half - 1 - at);
    }
    sync();
    for (index_t step = half / 2; step > 0; step /= 2) {
      for (index_t n = thread; n < count; n += threads) {
        index_t const i = n / step * 2 * step + n % step;
        if (i + step < count) exchange(i, i + step);
      }
      sync();
    }
  }
}
}  // namespace mlot::MLOT_SET::simt
