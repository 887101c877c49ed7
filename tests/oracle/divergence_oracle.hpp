#pragma once
#include <cmath>
#include <numeric>

#include "oracle/primitive_oracle.hpp"
/// Divergences between two distributions in long double, from their definitions over probabilities.
namespace oracle {
enum class divergence_name {
  forward_kl,
  reverse_kl,
  jensen_shannon,  ///< parameter: the teacher's weight; 0 forward, 1 reverse KL
  skewed_kl,
  skewed_reverse_kl,
  total_variation,
  adaptive_kl
};
struct divergence_kind {
  divergence_name name;
  number parameter = 0;
};

inline number kl(vector const& x, vector const& y) {
  number total = 0;
  for (size v = 0; v < x.size(); ++v)
    if (x[v] > 0) total += y[v] > 0 ? x[v] * std::log(x[v] / y[v]) : infinity;
  return total;
}
/// w x + (1 - w) y
inline vector mixture(number w, vector const& x, vector const& y) {
  vector m(x.size());
  for (size v = 0; v < x.size(); ++v) m[v] = w * x[v] + (1 - w) * y[v];
  return m;
}
/// g_head / (g_head + g_tail); 1/2 where both are 0. `margin`: how far the sums stay from 1/2.
inline number adaptive_share(vector const& q, vector const& p, number* margin = nullptr) {
  std::vector<size> order(q.size());
  std::iota(order.begin(), order.end(), size(0));
  std::stable_sort(order.begin(), order.end(), [&](size a, size b) { return q[a] < q[b]; });
  number sum = 0, head = 0, tail = 0;
  for (size const v : order) {
    sum += q[v];
    (sum <= 0.5L ? tail : head) += std::fabs(q[v] - p[v]);
    if (margin != nullptr && q[v] > 0) *margin = std::min(*margin, std::fabs(sum - 0.5L));
  }
  return head + tail > 0 ? head / (head + tail) : 0.5L;
}

inline number divergence(divergence_kind kind, vector const& q, vector const& p) {
  number const a = kind.parameter;
  switch (kind.name) {
    case divergence_name::forward_kl:
      return kl(q, p);
    case divergence_name::reverse_kl:
      return kl(p, q);
    case divergence_name::jensen_shannon: {
      if (a == 0) return kl(q, p);
      if (a == 1) return kl(p, q);
      vector const m = mixture(a, q, p);
      return a * kl(q, m) + (1 - a) * kl(p, m);
    }
    case divergence_name::skewed_kl:
      return kl(q, mixture(a, q, p));
    case divergence_name::skewed_reverse_kl:
      return kl(p, mixture(a, p, q));
    case divergence_name::total_variation: {
      number total = 0;
      for (size v = 0; v < q.size(); ++v) total += std::fabs(q[v] - p[v]) / 2;
      return total;
    }
    case divergence_name::adaptive_kl: {
      number const share = adaptive_share(q, p);
      return (share > 0 ? share * kl(q, p) : 0) + (share < 1 ? (1 - share) * kl(p, q) : 0);
    }
  }
  return 0;
}

/// p o h, from the partial derivatives h = dD / dp; 0 where p is, but for forward KL's -q.
inline vector divergence_slope(divergence_kind kind, vector const& q, vector const& p) {
  number const a = kind.parameter;
  vector s(q.size(), 0);
  if (kind.name == divergence_name::adaptive_kl) {
    number const share = adaptive_share(q, p);
    vector const f = divergence_slope({divergence_name::forward_kl}, q, p);
    vector const r = divergence_slope({divergence_name::reverse_kl}, q, p);
    for (size v = 0; v < q.size(); ++v)
      s[v] = (share > 0 ? share * f[v] : 0) + (share < 1 ? (1 - share) * r[v] : 0);
    return s;
  }
  bool const mixes = kind.name == divergence_name::jensen_shannon;
  bool const skews = kind.name == divergence_name::skewed_kl;
  if (kind.name == divergence_name::forward_kl || ((mixes || skews) && a == 0)) {
    for (size v = 0; v < q.size(); ++v) s[v] = -q[v];
    return s;
  }
  for (size v = 0; v < q.size(); ++v) {
    if (p[v] == 0) continue;
    number h = 0;
    if (kind.name == divergence_name::reverse_kl || (mixes && a == 1))
      h = q[v] > 0 ? std::log(p[v] / q[v]) : infinity;
    else if (mixes)
      h = (1 - a) * std::log(p[v] / (a * q[v] + (1 - a) * p[v]));
    else if (skews)
      h = -(1 - a) * q[v] / (a * q[v] + (1 - a) * p[v]);
    else if (kind.name == divergence_name::skewed_reverse_kl) {
      number const m = (1 - a) * q[v] + a * p[v];
      h = m > 0 ? std::log(p[v] / m) - a * p[v] / m : infinity;
    } else
      h = sign(p[v] - q[v]) / 2;
    s[v] = p[v] * h;
  }
  return s;
}

/// dD / dz at temperature tau, and for each entry the size of what it is made of. Ids whose slope
/// is infinite are left out; masked ids, whose p is 0, have 0.
struct divergence_gradient {
  vector gradient, magnitude;
};
inline divergence_gradient divergence_logit_gradient(divergence_kind kind, vector const& q,
                                                     vector const& p, number tau) {
  vector const s = divergence_slope(kind, q, p);
  number slope = 0, mass = 0;
  for (size v = 0; v < s.size(); ++v)
    if (s[v] < infinity) slope += s[v], mass += p[v];
  number const centre = mass > 0 ? slope / mass : 0;
  divergence_gradient all{vector(s.size(), 0), vector(s.size(), 0)};
  for (size v = 0; v < s.size(); ++v)
    if (p[v] > 0 && s[v] < infinity) {
      all.gradient[v] = (s[v] - p[v] * centre) / tau;
      all.magnitude[v] = (std::fabs(s[v]) + p[v] * (1 + std::fabs(centre)) + q[v]) / tau;
    }
  return all;
}
}  // namespace oracle
