#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "grid/fibers.hpp"
#include "mlot/grid/device.hpp"
/// A grid device without a card: every thread of a block is a fiber, every barrier is one. Threads
/// run in an order that can be turned around, so that a result that hangs on it shows; under
/// ThreadSanitizer the fibers are threads and only barriers order them, so that a race shows
/// wherever it lies.
namespace kit {
using namespace mlot;
namespace emulation {
/// In which order blocks, and threads between two barriers, run.
enum class order { rising, falling };

inline order& current_order() {
  static order of_all = order::rising;
  return of_all;
}

template <int Threads>
class block {
 public:
  static constexpr int threads = Threads, warps = Threads / 32;
  /// What the threads of a block have in common.
  struct common {
    barrier whole{Threads};
    std::vector<barrier> of_warp = std::vector<barrier>(warps, barrier{32});
    struct alignas(16) slot {
      std::byte bytes[64];
    };
    std::array<slot, Threads> slots{};
  };
  block(common& with, index_t index, index_t of, int thread)
      : with_(with), index_(index), blocks_(of), thread_(thread) {}

  index_t index() const { return index_; }
  index_t blocks() const { return blocks_; }
  int thread() const { return thread_; }
  int lane() const { return thread_ % 32; }
  int warp() const { return thread_ / 32; }
  void sync() { with_.whole.wait(); }
  void sync_warp() { with_.of_warp[std::size_t(warp())].wait(); }

  template <class V, class Op>
  V warp_all(V x, Op op) {
    put(x);
    sync_warp();
    V all[32];
    for (int i = 0; i < 32; ++i) all[i] = get<V>(warp() * 32 + i);
    for (int left = 16; left > 0; left /= 2)
      for (int i = 0; i < left; ++i) all[i] = op(all[2 * i], all[2 * i + 1]);
    sync_warp();
    return all[0];
  }
  template <class V, class Op>
  V all(V x, Op op) {
    x = warp_all(x, op);
    put(x);
    sync();
    V sum = get<V>(0);
    for (int w = 1; w < warps; ++w) sum = op(sum, get<V>(w * 32));
    sync();
    return sum;
  }
  int add(int& counter, int n) { return std::atomic_ref(counter).fetch_add(n); }
  void lower(std::uint64_t& word, std::uint64_t x) {
    std::atomic_ref all(word);
    for (std::uint64_t now = all; x < now && !all.compare_exchange_weak(now, x);) {
    }
  }

 private:
  template <class V>
  void put(V const& x) {
    static_assert(sizeof(V) <= 64 && std::is_trivially_copyable_v<V>);
    std::memcpy(with_.slots[std::size_t(thread_)].bytes, &x, sizeof x);
  }
  template <class V>
  V get(int thread) const {
    V x;
    std::memcpy(static_cast<void*>(&x), with_.slots[std::size_t(thread)].bytes, sizeof x);
    return x;
  }
  common& with_;
  index_t index_, blocks_;
  int thread_;
};
}  // namespace emulation

/// Memory is what the views say: host_memory to take the place of a host device, device_memory to
/// compile and check exactly what a card would be given. Finishes before it returns.
template <class Memory = host_memory>
struct emulated : simt::device {
  using memory = Memory;
  static constexpr simt::grid_tuning tuning{.row_threads = 64,
                                            .table_threads = 32,
                                            .select_threads = 64,
                                            .problem_threads = 64,
                                            .one_block_entries = 64,
                                            .shared_kernel_bytes = 256,
                                            .most_blocks = 7,
                                            .ranking_blocks = 3};
  std::uint64_t* findings = own_findings();

  /// The word of a device that was given none: so that host tests see findings as faults.
  static std::uint64_t* own_findings() {
    static std::uint64_t word = finding_word::nothing;
    return &word;
  }
  /// What was found since the last call.
  static status take_findings() {
    return status_of_findings(std::exchange(*own_findings(), finding_word::nothing));
  }

  template <class Kernel>
  status launch(index_t blocks, Kernel const& kernel) const {
    using block = emulation::block<Kernel::threads>;
    using shared = typename Kernel::shared;
    bool const rising = emulation::current_order() == emulation::order::rising;
    auto const bytes = std::make_unique<std::byte[]>(sizeof(shared) + alignof(shared));
    void* at = bytes.get();
    std::size_t space = sizeof(shared) + alignof(shared);
    auto& of_block = *static_cast<shared*>(std::align(alignof(shared), sizeof(shared), at, space));
    for (index_t n = 0; n < blocks; ++n) {
      std::memset(static_cast<void*>(&of_block), 0xff, sizeof(shared));  // nothing in it is known
      typename block::common common;
      index_t const index = rising ? n : blocks - 1 - n;
      run_fibers(Kernel::threads, rising, [&](int thread) {
        block own(common, index, blocks, thread);
        kernel(own, of_block);
      });
    }
    return {};
  }
};
}  // namespace kit
