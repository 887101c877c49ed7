#pragma once
#include <concepts>
#include <type_traits>

#include "mlot/core/view.hpp"
#include "mlot/core/workspace.hpp"
#include "mlot/grid/findings.hpp"
/// Kernels for every device that runs blocks of threads. What such a device must have is little: a
/// way to launch, and a `block`; mlot/cuda/device.cuh is one, tests/grid/emulated.hpp another, and
/// docs/adding-a-backend.md says how to write a third.
///
/// A kernel is a trivially copyable struct with
///
///   static constexpr int threads;                      a multiple of 32, at most 1024
///   struct shared { ... };                             what the threads of a block share: trivial
///   static constexpr bool alone = true;                where registers are worth more than a
///                                                      second block beside it; otherwise left out
///   template <class Block> MLOT_DEVICE void operator()(Block& block, shared& s) const;
///
/// and a block has, each called by all its threads in the same order ("collective") where it says
/// so:
///
///   index(), blocks()         which block of the grid, of how many
///   thread(), lane(), warp()  which thread of the block, of its 32, and which 32
///   sync()                    collective: what was written before it is seen after it
///   sync_warp()               the same among the 32 threads of a warp
///   all(x, op)                collective: op over all threads' x, in one fixed order
///   warp_all(x, op)           the same among the threads of a warp; op commutes
///   add(counter, n)           atomic, integers: answers the sum before
///   lower(word, x)            atomic minimum of a 64-bit word
///
/// No float is ever added by an atomic: the same input gives the same bits, whatever the grid.
namespace mlot::MLOT_SET::simt {
/// What kernels are launched with; a device may have a table of its own.
struct grid_tuning {
  int row_threads = 256;      ///< for a row of the vocabulary
  int table_threads = 128;    ///< for small tables, one row or entry a thread or warp
  int select_threads = 1024;  ///< for the top columns of one sequence
  int problem_threads = 512;  ///< for one transport problem, or one tile of a large one
  /// Entries (of the average problem) up to which one block runs all iterations of a problem.
  index_t one_block_entries = 512 * 512;
  /// Of these, the entries of K that fit into so many bytes are kept in shared memory.
  index_t shared_kernel_bytes = 32 << 10;
  index_t most_blocks = 4096;    ///< of a grid whose blocks stride over what there is
  index_t ranking_blocks = 264;  ///< the same where each block has memory for two rows
};

/// Base of the tags of such devices. A tag has `memory`, `static constexpr grid_tuning tuning`,
/// `std::uint64_t* findings` (null: not wanted) and
/// `status launch(index_t blocks, Kernel const&) const`, asynchronous.
struct device {};  // a base, so that run() below is found by its namespace
template <class Device>
concept grid = std::derived_from<Device, device>;

/// Launches one after the other, until the first that is refused.
template <grid Device>
class launches {
 public:
  explicit launches(Device device) : device_(device) {}
  template <class Kernel>
  void operator()(index_t blocks, Kernel const& kernel) {
    static_assert(std::is_trivially_copyable_v<Kernel> && Kernel::threads % 32 == 0);
    if (blocks > 0 && first_.ok()) first_ = device_.launch(blocks, kernel);
  }
  /// What other launches, made in between, were answered.
  void also(status const& answer) {
    if (first_.ok()) first_ = answer;
  }
  status answer() const { return first_; }

 private:
  Device device_;
  status first_;
};

struct nothing_shared {};

MLOT_HOST_DEVICE constexpr index_t blocks_for(index_t items, index_t each) {
  return (items + each - 1) / each;
}
template <class T>
MLOT_HOST_DEVICE constexpr T least(T a, T b) {
  return b < a ? b : a;
}
template <class T>
MLOT_HOST_DEVICE constexpr T most(T a, T b) {
  return a < b ? b : a;
}
struct plus {
  template <class T>
  MLOT_HOST_DEVICE constexpr T operator()(T a, T b) const {
    return a + b;
  }
};
struct maximum {
  template <class T>
  MLOT_HOST_DEVICE constexpr T operator()(T a, T b) const {
    return most(a, b);
  }
};

/// Calls visit(n) for n = 0 .. items - 1, spread over all threads of the grid.
template <class Block, class Visit>
MLOT_DEVICE void for_items(Block& block, index_t items, Visit visit) {
  for (index_t n = block.index() * Block::threads + block.thread(); n < items;
       n += block.blocks() * Block::threads)
    visit(n);
}
/// A grid for that.
template <grid Device>
index_t item_blocks(index_t items, int threads) {
  return least(blocks_for(items, threads), Device::tuning.most_blocks);
}

/// Reports what was found, where the caller asked for it.
template <class Block>
MLOT_DEVICE void report(Block& block, std::uint64_t* findings, finding what, index_t row,
                        index_t column = -1) {
  if (findings != nullptr) block.lower(*findings, finding_word::of(what, row, column));
}
}  // namespace mlot::MLOT_SET::simt
