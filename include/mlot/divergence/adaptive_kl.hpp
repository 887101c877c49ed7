#pragma once
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/divergence/reverse_kl.hpp"
namespace mlot::MLOT_SET {
/// Forward and reverse KL by where the two models differ at a token. Its ids in the order of rising
/// q (equal ones by id) are the tail as long as the sum of their q is at most 1/2, then the head:
///
///   g_head, g_tail = sum over the head, the tail of |q - p|
///   (g_head KL(q || p) + g_tail KL(p || q)) / (g_head + g_tail)
///
/// The g are constants of the gradient; both 0 for equal distributions, where the value is 0. A sum
/// within rounding of 1/2 may fall to either side. +inf as either KL that counts.
/// Source: Wu et al., Rethinking Kullback-Leibler divergence in knowledge distillation for large
/// language models, arXiv 2404.02657.
template <real T>
struct adaptive_kl {
  static constexpr double tail_mass = 0.5;
  T forward_share = T(0.5);  ///< g_head / (g_head + g_tail): devices set it, token by token

  MLOT_HOST_DEVICE static constexpr T share(T const& head, T const& tail) {
    return head + tail > T(0) ? T(head / (head + tail)) : T(0.5);
  }
  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    if (forward_share == T(0)) return reverse_kl().term(x);
    if (forward_share == T(1)) return forward_kl().term(x);
    divergence_term<V> const forward = forward_kl().term(x), reverse = reverse_kl().term(x);
    V const a(forward_share), b(T(1) - forward_share);
    using sum = multiply_add_of<V>;
    return {sum::value(a, forward.value, V(b * reverse.value)),
            sum::value(a, forward.slope, V(b * reverse.slope))};
  }
  constexpr status check() const { return {}; }
};
}  // namespace mlot::MLOT_SET
