#pragma once
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/divergence/reverse_kl.hpp"
namespace mlot::MLOT_SET {
/// Whose weight in the mixture beta is.
enum class mixture_weight {
  teacher,  ///< M = beta q + (1 - beta) p, as in TRL and Liger
  student   ///< M = beta p + (1 - beta) q, as in KDFlow
};

/// The generalised Jensen-Shannon divergence. With w = beta, or 1 - beta where beta is the
/// student's,
///
///   w KL(q || M) + (1 - w) KL(p || M),   M = w q + (1 - w) p,   h = (1 - w) (log p - log M)
///
/// At most -w log w - (1 - w) log(1 - w), so finite whatever either side lacks; symmetric for
/// w = 1/2. At the ends it would be 0: w = 0 means forward KL and w = 1 reverse KL, its limits over
/// w and over 1 - w. Source: Agarwal et al., On-policy distillation of language models (2023).
template <real T>
struct jensen_shannon {
  static constexpr bool mixes = true;
  T beta = T(0.5);  ///< 0 to 1
  mixture_weight weighs = mixture_weight::teacher;

  MLOT_HOST_DEVICE constexpr T teacher_weight() const {
    return weighs == mixture_weight::teacher ? beta : T(T(1) - beta);
  }
  template <class V>
  MLOT_HOST_DEVICE divergence_term<V> term(probability_pair<V> const& x) const {
    T const w = teacher_weight();
    if (w == T(0)) return forward_kl().term(x);
    if (w == T(1)) return reverse_kl().term(x);
    over_mixture<V> const over(x, w);
    V const slope = V(T(1) - w) * weighted(x.p, over.log_p);
    return {multiply_add_of<V>::value(V(w), weighted(x.q, over.log_q), slope), slope};
  }
  constexpr status check() const {
    return requirement()
        .that(beta >= T(0) && beta <= T(1), fault::value, "jensen_shannon.beta", as_double(beta),
              "0 to 1")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
