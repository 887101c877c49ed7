#pragma once
#include <tuple>

// What primitives and losses are instantiated for is compiled once, in libraries that tests link.
// A file with MLOT_TEST_OWN_INSTANCES instantiates what it calls itself, as a user's file does.
#if !MLOT_TEST_OWN_INSTANCES
#  include "mlot/instances.hpp"
#elif MLOT_TEST_SIMD
#  include "mlot/simd.hpp"
#else
#  include "mlot/mlot.hpp"
#endif
#if MLOT_TEST_GRID
#  include "grid/device.hpp"
#  if !MLOT_TEST_OWN_INSTANCES
MLOT_INSTANCES(extern, kit::grid_under_test)
#  endif
#endif
/// Where a test runs: on a device, computing in T, with logits stored as S and gradients as G.
template <class Device, class T, class S = T, class G = S>
struct on_with {
  using device = Device;
  using scalar = T;
  using storage = S;
  using gradient = G;
};

namespace kit {
template <class... Lists>
using joined = decltype(std::tuple_cat(Lists{}...));
template <class Device>
using each_scalar = std::tuple<on_with<Device, float>, on_with<Device, double>>;
template <class Device>
using each_storage =
    std::tuple<on_with<Device, float>, on_with<Device, double>, on_with<Device, float, mlot::half>,
               on_with<Device, float, mlot::bfloat16>>;
template <class Device>
using each_gradient =
    joined<each_storage<Device>, std::tuple<on_with<Device, float, mlot::half, float>,
                                            on_with<Device, float, float, mlot::bfloat16>>>;
/// Whether threads are emulated: what takes seconds elsewhere takes minutes there.
template <class Device>
inline constexpr bool is_emulated = requires {
  Device::take_findings();
};

/// What a device answers in the end: kernels find what is wrong with data when the call is over.
template <class Device>
mlot::status in_the_end(mlot::status const& answer) {
  if constexpr (is_emulated<Device>) {
    mlot::status const found = Device::take_findings();
    return answer.ok() ? found : answer;
  } else {
    return answer;
  }
}
}  // namespace kit

// A test with one of these lists runs once for each of its lines. A new backend adds itself here.
// Builds that differ in the instruction set alone leave the scalar device to the others.
#if MLOT_TEST_GRID  // kernels, with the scalar device as one of their oracles
template <template <class> class List>
using on_every_device = List<kit::grid_under_test>;
#elif MLOT_TEST_SIMD && MLOT_TEST_SIMD_ONLY
template <template <class> class List>
using on_every_device = List<mlot::on::simd<>>;
#elif MLOT_TEST_SIMD
template <template <class> class List>
using on_every_device = kit::joined<List<mlot::on::scalar>, List<mlot::on::simd<>>>;
#else
template <template <class> class List>
using on_every_device = List<mlot::on::scalar>;
#endif
using every_device = on_every_device<kit::each_scalar>;
using every_storage = on_every_device<kit::each_storage>;
using every_gradient = on_every_device<kit::each_gradient>;
