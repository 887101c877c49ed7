#pragma once
#include "mlot/divergence/probability_pair.hpp"
namespace mlot::MLOT_SET {
/// 1/2 sum |p - q|, at most 1; h = 1/2 sign(p - q), sign(0) = 0.
struct total_variation {
  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    using std::abs;
    V const half(0.5), difference = x.p - x.q;
    return {V(abs(V(half * difference))), V(half * x.p * V(sign(difference)))};
  }
  constexpr status check() const { return {}; }
};
}  // namespace mlot::MLOT_SET
