#pragma once
#include <functional>

#include "oracle/primitive_oracle.hpp"
/// Reference for differences rank by rank, in long double: two lists of probabilities, sorted.
namespace oracle {
struct ranked {
  number difference = 0;
  vector h;  ///< d difference / d s(v), by the student's ids
};
/// `k` ranks are compared, 0: all. Equal probabilities of the student are ranked by id.
inline ranked ranked_difference(vector p, vector const& s, size k) {
  size const n = s.size(), widest = std::max(p.size(), n), ranks = k == 0 ? widest : k;
  std::sort(p.begin(), p.end(), std::greater<>());
  p.resize(widest, 0);
  auto const ids = top(s, n);
  ranked out{0, vector(n, 0)};
  for (size l = 0; l < std::min(ranks, widest); ++l) {
    number const of_student = l < n ? s[size(ids[l])] : 0;
    out.difference += std::fabs(p[l] - of_student);
    if (l < n) out.h[size(ids[l])] = sign(of_student - p[l]);
  }
  return out;
}
/// dF/dz(u) = (1 / tau) sum_v h(v) ds(v)/dlog s(u).
inline vector through_softmax(vector const& s, vector const& h, number tau) {
  vector g(s.size(), 0);
  for (size u = 0; u < s.size(); ++u)
    for (size v = 0; v < s.size(); ++v) g[u] += h[v] * s[v] * (number(u == v) - s[u]) / tau;
  return g;
}
}  // namespace oracle
