#pragma once
#include <utility>

#include "mlot/mlot.cuh"
/// A card in the place of a host device: it reads and writes the memory of the host's program,
/// which cuda/card_main.cpp keeps where a card reaches it. Finishes before it returns.
namespace kit {
using namespace mlot;
struct card : simt::device {
  using memory = host_memory;
  static constexpr simt::grid_tuning tuning = on::cuda::tuning;
  std::uint64_t* findings = own_findings();

  /// On the heap: a card does not reach static memory.
  static std::uint64_t* own_findings() {
    static auto* const word = new std::uint64_t(finding_word::nothing);
    return word;
  }
  /// What was found since the last call.
  static status take_findings() {
    return status_of_findings(std::exchange(*own_findings(), finding_word::nothing));
  }

  /// As on::cuda launches it.
  template <class... Arguments>
  status launch(Arguments const&... arguments) const {
    status const launched = on::cuda().launch(arguments...);
    if (!launched.ok()) return launched;
    cudaError_t const answer = cudaDeviceSynchronize();
    if (answer == cudaSuccess) return {};
    return {fault::device, "card.launch", cudaGetErrorString(answer), double(answer)};
  }
};
}  // namespace kit
