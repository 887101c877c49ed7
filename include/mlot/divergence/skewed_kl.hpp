#pragma once
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/divergence/reverse_kl.hpp"
namespace mlot::MLOT_SET {
/// KL(q || M), M = skew q + (1 - skew) p; h = -(1 - skew) q / M. Forward KL for skew = 0, finite
/// beyond: at most -log skew. Source: Ko et al., DistiLLM (2024).
template <real T>
struct skewed_kl {
  static constexpr bool mixes = true;
  T skew = T(0.1);  ///< lambda, 0 to 1

  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    if (skew == T(0)) return forward_kl().term(x);
    if (skew == T(1)) return {V(0), V(0)};  // M = q
    over_mixture<V> const over(x, skew);
    return {weighted(x.q, over.log_q), V(-V(T(1) - skew) * weighted(x.q, over.p))};
  }
  constexpr status check() const {
    return requirement()
        .that(skew >= T(0) && skew <= T(1), fault::value, "skewed_kl.skew", as_double(skew),
              "0 to 1")
        .answer();
  }
};

/// KL(p || M), M = (1 - skew) q + skew p; h = log p - log M - skew p / M. Reverse KL for skew = 0,
/// finite beyond: at most -log skew. Source: Ko et al., DistiLLM (2024).
template <real T>
struct skewed_reverse_kl {
  static constexpr bool mixes = true;
  T skew = T(0.1);  ///< lambda, 0 to 1

  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    if (skew == T(0)) return reverse_kl().term(x);
    if (skew == T(1)) return {V(0), V(0)};  // M = p
    over_mixture<V> const over(x, T(T(1) - skew));
    V const value = weighted(x.p, over.log_p);
    return {value, multiply_add_of<V>::value(V(-skew), weighted(x.p, over.p), value)};
  }
  constexpr status check() const {
    return requirement()
        .that(skew >= T(0) && skew <= T(1), fault::value, "skewed_reverse_kl.skew", as_double(skew),
              "0 to 1")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
