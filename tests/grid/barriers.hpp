#pragma once
#include "mlot/core/view.hpp"
#include "mlot/grid/device.hpp"
/// Small kernels that are right, and copies of them with a barrier taken away.
namespace barriers {
using mlot::index_t;
inline constexpr int threads = 64;

/// Turns each block's part of an array around. The barrier stands between writing and reading.
template <bool Barrier>
struct reversal {
  static constexpr int threads = barriers::threads;
  struct shared {
    float x[threads];
  };
  mlot::host::vector<float const> in;
  mlot::host::vector<float> out;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const first = block.index() * threads;
    s.x[block.thread()] = in(first + block.thread());
    if constexpr (Barrier) block.sync();
    out(first + block.thread()) = s.x[threads - 1 - block.thread()];
  }
};

/// Every thread adds up all of each block's part, one part after the other. The barrier stands
/// between reading one part and writing the next.
template <bool Barrier>
struct sums {
  static constexpr int threads = barriers::threads;
  struct shared {
    float x[threads];
  };
  mlot::host::vector<float const> in;
  mlot::host::vector<float> out;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    float sum = 0;
    for (index_t first = 0; first < in.size; first += threads) {
      s.x[block.thread()] = in(first + block.thread());
      block.sync();
      for (int t = 0; t < threads; ++t) sum += s.x[t];
      if constexpr (Barrier) block.sync();
    }
    out(block.index() * threads + block.thread()) = sum;
  }
};
}  // namespace barriers
