#pragma once
#include "mlot/divergence/probability_pair.hpp"
namespace mlot::MLOT_SET {
/// KL(p || q) = sum p (log p - log q); h = log p - log q. +inf, value and slope, where the teacher
/// lacks an id that the student has.
struct reverse_kl {
  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    V const value = weighted(x.p, V(x.log_p - x.log_q));
    return {value, value};
  }
  constexpr status check() const { return {}; }
};
}  // namespace mlot::MLOT_SET
