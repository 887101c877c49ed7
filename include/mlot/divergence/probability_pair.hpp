#pragma once
#include <cmath>
#include <concepts>

#include "mlot/core/requirement.hpp"
namespace mlot::MLOT_SET {
/// One vocabulary id as both models see it; V is one number or one SIMD batch.
template <class V>
struct probability_pair {
  V q, p;          ///< of the teacher, of the student
  V log_q, log_p;  ///< from logits, never of a rounded probability; -inf: the id is not there
  V ratio;         ///< exp(-|log q - log p|), the smaller over the larger; for a kind that mixes
};

/// What an id adds to a divergence D, and dD / dlog p there but for a multiple of p, which is the
/// paper's p h. An id without mass on either side adds 0.
template <class V>
struct divergence_term {
  V value, slope;
};

/// A kind of divergence: a formula by ids, value and slope, with its parameters. A slope of +inf
/// (the student has an id that the teacher lacks) is for the devices to leave out. A kind that
/// adapts has a member `forward_share` that devices set token by token; one that mixes, and reads
/// `ratio`, says so by `static constexpr bool mixes = true`.
template <class Kind, class T>
concept divergence_kind = requires(Kind const kind, probability_pair<T> const& x) {
  { kind.term(x) } -> std::same_as<divergence_term<T>>;
  { kind.check() } -> std::same_as<status>;
};
template <class Kind>
concept adaptive_kind = requires(Kind kind) {
  kind.forward_share;
};

template <class Kind>
concept mixing_kind = Kind::mixes;

/// The logarithm of V; a device has its own for its batches.
template <class V>
struct logarithm_of {
  MLOT_HOST_DEVICE static V value(V const& x) {
    using std::log;
    return V(log(x));
  }
};

/// x y + z of V. A device has its own for its batches, rounded in the same way in every copy of a
/// loop; of numbers a compiler may fuse it.
template <class V>
struct multiply_add_of {
  MLOT_HOST_DEVICE static V value(V const& x, V const& y, V const& z) { return V(x * y + z); }
};

/// a where the condition holds, else b: of numbers, as xsimd's is of batches.
template <real T>
MLOT_HOST_DEVICE constexpr T select(bool condition, T const& a, T const& b) {
  return condition ? a : b;
}

/// weight x where the weight is above 0, else 0, whatever x is.
template <class V>
MLOT_HOST_DEVICE V weighted(V const& weight, V const& x) {
  return V(select(weight > V(0), V(weight * x), V(0)));
}

/// The logarithms of q / M and p / M for M = w q + (1 - w) p, 0 <= w <= 1, and p / M. With
/// d = log q - log p they are min(d, 0) - log s and -max(d, 0) - log s, where s is M over the
/// larger of q and p: exactly 0 for equal ones, whatever w is, and without overflow for any.
template <class V>
struct over_mixture {
  V log_q, log_p, p;

  template <real T>
  MLOT_HOST_DEVICE over_mixture(probability_pair<V> const& x, T const& w) {
    V const d = x.log_q - x.log_p, zero(0);
    auto const teacher_has_more = d > zero;
    V const of_larger = V(select(teacher_has_more, V(w), V(T(1) - w)));
    V const of_smaller = V(select(teacher_has_more, V(T(1) - w), V(w)));
    V const s = multiply_add_of<V>::value(of_smaller, x.ratio, of_larger);
    V const log_s = logarithm_of<V>::value(s);
    log_q = V(select(teacher_has_more, zero, d)) - log_s;
    log_p = V(select(teacher_has_more, V(-d), zero)) - log_s;
    p = V(select(teacher_has_more, x.ratio, V(1))) / s;
  }
};
}  // namespace mlot::MLOT_SET
