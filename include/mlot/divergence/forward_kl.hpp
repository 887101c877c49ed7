#pragma once
#include "mlot/divergence/probability_pair.hpp"
namespace mlot::MLOT_SET {
/// KL(q || p) = sum q (log q - log p); slope -q. +inf where the student lacks an id that the
/// teacher has; the slope is finite there.
struct forward_kl {
  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    return {weighted(x.q, V(x.log_q - x.log_p)), V(-x.q)};
  }
  constexpr status check() const { return {}; }
};
}  // namespace mlot::MLOT_SET
