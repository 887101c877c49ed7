#pragma once
namespace mlot::MLOT_SET::scalar {
struct device {};
}  // namespace mlot::MLOT_SET::scalar
namespace mlot::MLOT_SET::simd {
struct team {};
}  // namespace mlot::MLOT_SET::simd
namespace mlot {
namespace on {
struct nested {};
}  // namespace on
}  // namespace mlot

namespace mlot::MLOT_SET::on {
/// An alias is right; what follows is not.
using scalar = mlot::scalar::device;
template <class Arch, class Other = Arch>
using lanes = mlot::scalar::device;
template <class T>
T exponential(T x) {
  return x;
}
using mlot::scalar::device;
inline constexpr int most = 3;
}  // namespace mlot::MLOT_SET::on
#ifdef _OPENMP
#endif
