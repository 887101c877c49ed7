// Under ThreadSanitizer: `race` launches kernels that lack a barrier, `race none` the right ones.
#include "grid/barriers.hpp"
#include "grid/emulated.hpp"

namespace {
template <bool Barrier>
bool launched() {
  constexpr mlot::index_t size = 2 * barriers::threads;
  std::vector<float> in(size, 1), out(size);
  mlot::host::vector<float const> const from{in.data(), size};
  mlot::host::vector<float> const to{out.data(), size};
  kit::emulated<> const device;
  return device.launch(2, barriers::reversal<Barrier>{from, to}).ok() &&
         device.launch(2, barriers::sums<Barrier>{from, to}).ok();
}
}  // namespace

int main(int count, char**) { return (count > 1 ? launched<true>() : launched<false>()) ? 0 : 1; }
