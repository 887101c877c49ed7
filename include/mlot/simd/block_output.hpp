#pragma once
#include <algorithm>
#include <cstdint>

#include "mlot/simd/lanes.hpp"
#include "mlot/simd/streaming_store.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// Writes a part of a row from a buffer that begins on a cache line, past the caches where it
/// `streams`: then finish_streaming() has to follow.
template <class Batch, storage G>
inline void write_block(G* out, typename Batch::value_type const* from, index_t count,
                        bool streams) {
  constexpr index_t width = Batch::size;
  constexpr std::size_t bytes = width * sizeof(G);  // of a vector of the output
  auto const plainly = [=](index_t begin, index_t end) {
    for_lanes<Batch>(end - begin, [=](index_t v, auto which) {
      store_lanes(out + begin + v, load_lanes<Batch>(from + begin + v, which), which);
    });
  };
  if (!streams) return plainly(0, count);
  auto const past = reinterpret_cast<std::uintptr_t>(out) % bytes;
  index_t v = (std::min)(index_t((bytes - past) % bytes / sizeof(G)), count);
  plainly(0, v);
  for (; v + width <= count; v += width) {
    alignas(64) G lane[width];
    store_lanes(lane, Batch::load_unaligned(from + v), all_lanes{});
    stream<bytes>(out + v, lane);
  }
  plainly(v, count);
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
