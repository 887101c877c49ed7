#pragma once
#include "grid/emulated.hpp"
/// Launches that must not change a bit: other orders of blocks and threads, other grids, and a
/// transport problem as one block's, with K in shared memory or not, or as many launches'.
namespace kit {
using namespace mlot;
struct one_block_a_problem : kit::emulated<> {
  static constexpr simt::grid_tuning tuning = [] {
    auto t = kit::emulated<>::tuning;
    t.one_block_entries = 1 << 20;
    t.most_blocks = 3;
    return t;
  }();
};
struct kernel_in_shared_memory : one_block_a_problem {
  static constexpr simt::grid_tuning tuning = [] {
    auto t = one_block_a_problem::tuning;
    t.shared_kernel_bytes = 1 << 14;
    return t;
  }();
};
struct launches_only : kit::emulated<> {
  static constexpr simt::grid_tuning tuning = [] {
    auto t = kit::emulated<>::tuning;
    t.one_block_entries = 0;
    t.most_blocks = 100;
    return t;
  }();
};

template <class Device>
struct in_falling_order : Device {
  template <class Kernel>
  status launch(index_t blocks, Kernel const& kernel) const {
    kit::emulation::current_order() = kit::emulation::order::falling;
    status const s = Device::launch(blocks, kernel);
    kit::emulation::current_order() = kit::emulation::order::rising;
    return s;
  }
};
}  // namespace kit
