#pragma once
namespace mlot::scalar {
struct device {};
}  // namespace mlot::scalar
namespace mlot::simd {
struct team {};
}  // namespace mlot::simd
namespace mlot {
namespace on {
struct nested {};
}  // namespace on
}  // namespace mlot

namespace mlot::on {
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
}  // namespace mlot::on
