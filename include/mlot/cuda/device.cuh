#pragma once
#include <cooperative_groups.h>
#include <cuda_runtime_api.h>

#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt::cuda {
/// The block of mlot/grid/device.hpp as CUDA has it.
template <int Threads>
struct cuda_block {
  static constexpr int threads = Threads, warps = Threads / 32;
  MLOT_DEVICE index_t index() const { return blockIdx.x; }
  MLOT_DEVICE index_t blocks() const { return gridDim.x; }
  MLOT_DEVICE int thread() const { return int(threadIdx.x); }
  MLOT_DEVICE int lane() const { return int(threadIdx.x) % 32; }
  MLOT_DEVICE int warp() const { return int(threadIdx.x) / 32; }
  MLOT_DEVICE void sync() { __syncthreads(); }
  MLOT_DEVICE void sync_warp() { __syncwarp(); }

  /// Neighbours first, then pairs, fours, ...
  template <class V, class Op>
  MLOT_DEVICE V warp_all(V x, Op op) {
    auto const warp =
        cooperative_groups::tiled_partition<32>(cooperative_groups::this_thread_block());
#pragma unroll
    for (unsigned across = 1; across < 32; across *= 2) x = op(x, warp.shfl_xor(x, across));
    return x;
  }
  /// Each warp by itself, then warp after warp.
  template <class V, class Op>
  MLOT_DEVICE V all(V x, Op op) {
    if constexpr (warps == 1) {
      return warp_all(x, op);
    } else {
      __shared__ V of_warp[warps];
      x = warp_all(x, op);
      if (lane() == 0) of_warp[warp()] = x;
      sync();
      x = of_warp[0];
      for (int w = 1; w < warps; ++w) x = op(x, of_warp[w]);
      sync();  // before the next call writes
      return x;
    }
  }
  MLOT_DEVICE int add(int& counter, int n) { return atomicAdd(&counter, n); }
  MLOT_DEVICE void lower(std::uint64_t& word, std::uint64_t x) {
    atomicMin(reinterpret_cast<unsigned long long*>(&word), static_cast<unsigned long long>(x));
  }
};

/// Shared memory that a block may have without asking, less what cuda_block::all needs.
inline constexpr std::size_t static_shared_bytes = (48 - 1) << 10;
template <class Kernel>
inline constexpr bool shares_much = sizeof(typename Kernel::shared) > static_shared_bytes;

/// Registers are worth more than a second block beside it to a kernel that says `alone`.
template <class Kernel>
concept fills_a_processor = requires {
  Kernel::alone;
};
template <class Kernel>
inline constexpr int least_blocks = fills_a_processor<Kernel> ? 1 : 0;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, least_blocks<Kernel>)
    cuda_kernel(__grid_constant__ Kernel const kernel) {
  cuda_block<Kernel::threads> block;
  if constexpr (shares_much<Kernel>) {
    extern __shared__ __align__(16) unsigned char lent[];
    kernel(block, reinterpret_cast<typename Kernel::shared&>(lent));
  } else {
    __shared__ typename Kernel::shared shared;
    kernel(block, shared);
  }
}

/// One CUDA stream, and what the launches are tuned for. A call checks shapes, launches, and
/// returns: it allocates nothing, waits for nothing and may be captured in a graph. What is wrong
/// with data shows in `findings`, a launch that the driver refuses in the status; what goes wrong
/// inside a kernel shows at the caller's next wait, as with every kernel.
template <class Tuning>
struct device : simt::device {
  using memory = device_memory;
  static constexpr grid_tuning tuning = Tuning::values;
  cudaStream_t stream = nullptr;
  std::uint64_t* findings = nullptr;  ///< device memory, finding_word::nothing at first; or null

  device() = default;
  explicit device(cudaStream_t on, std::uint64_t* to = nullptr) : stream(on), findings(to) {}

  template <class Kernel>
  status launch(index_t blocks, Kernel const& kernel) const {
    static_assert(sizeof(Kernel) <= 4096, "mlot: a kernel's arguments fit into 4 KiB");
    if (blocks > 0x7fffffff)
      return {fault::shape, "cuda.launch", "at most 2^31 - 1 blocks", double(blocks)};
    auto const code = reinterpret_cast<void const*>(&cuda_kernel<Kernel>);
    std::size_t const lent = shares_much<Kernel> ? sizeof(typename Kernel::shared) : 0;
    void* arguments[] = {const_cast<Kernel*>(&kernel)};
    cudaError_t answer = cudaSuccess;
    if (lent > 0)
      answer = cudaFuncSetAttribute(code, cudaFuncAttributeMaxDynamicSharedMemorySize, int(lent));
    if (answer == cudaSuccess)
      answer = cudaLaunchKernel(code, dim3(unsigned(blocks)), dim3(Kernel::threads), arguments,
                                lent, stream);
    if (answer == cudaSuccess) return {};
    return {fault::device, "cuda.launch", cudaGetErrorString(answer), double(answer)};
  }
};

/// Right on every card from compute capability 7.5 on.
struct any_card {
  static constexpr grid_tuning values{};
};
/// Compute capability 9.0 and 10.0, whose blocks may have 227 KiB: K of 221 x 221 in float.
struct hopper_card {
  static constexpr grid_tuning values{.shared_kernel_bytes = 192 << 10};
};
}  // namespace mlot::MLOT_SET::simt::cuda

namespace mlot::MLOT_SET::on {
template <class Tuning>
using cuda_with = simt::cuda::device<Tuning>;
using cuda = cuda_with<simt::cuda::any_card>;
using hopper = cuda_with<simt::cuda::hopper_card>;
}  // namespace mlot::MLOT_SET::on
