#include "grid/emulated.hpp"
#include "losses.hpp"
#include "mlot/grid.hpp"
namespace {
using namespace mlot;
template <class Primitive>
constexpr bool has_kernels = has_version<kit::emulated<>, Primitive>;
template <class Kind>
constexpr bool has_kernels_for = has_kernels<
    divergence<float, Kind, dense_teacher<float, float, host_memory>, float, float, host_memory>>;
// What the umbrella lacked while it kept a list of its own.
static_assert(has_kernels<rank_teacher<float>> &&
              has_kernels<epsilon_schedule<float, host_memory>>);
static_assert(has_kernels_for<jensen_shannon<float>> && has_kernels_for<skewed_kl<float>> &&
              has_kernels_for<skewed_reverse_kl<float>> && has_kernels_for<total_variation>);
static_assert(sizeof(answer_window) > 0);
}  // namespace
numbers with_kernels() { return losses_on(kit::emulated<>()); }
