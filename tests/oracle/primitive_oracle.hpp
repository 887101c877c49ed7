#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>
/// References for one sequence or one transport problem, in long double, straight from the formulas
/// that the primitives state. Nothing here comes from the library; speed does not matter.
namespace oracle {
using number = long double;
using vector = std::vector<number>;
using matrix = std::vector<vector>;
using size = std::size_t;
inline constexpr number infinity = std::numeric_limits<number>::infinity();

inline number maximum(vector const& z) {
  return z.empty() ? -infinity : *std::max_element(z.begin(), z.end());
}
/// exp((z - max) / tau); zeros where no entry is finite.
inline vector weights(vector const& z, number tau) {
  vector w(z.size(), 0);
  number const top = maximum(z);
  for (size v = 0; v < z.size() && top > -infinity; ++v) w[v] = std::exp((z[v] - top) / tau);
  return w;
}
inline number sum(vector const& x) { return std::accumulate(x.begin(), x.end(), number(0)); }
inline number partition(vector const& z, number tau) { return sum(weights(z, tau)); }
inline vector softmax(vector const& z, number tau) {
  vector p = weights(z, tau);
  number const total = sum(p);
  for (number& x : p) x = total > 0 ? x / total : 0;
  return p;
}
inline vector log_softmax(vector const& z, number tau) {
  number const top = maximum(z), total = std::log(partition(z, tau));
  vector p(z.size(), -infinity);
  for (size v = 0; v < z.size() && top > -infinity; ++v) p[v] = (z[v] - top) / tau - total;
  return p;
}
/// Column sums of the softmax of every row of a sequence.
inline vector mass(matrix const& rows, size vocabulary, number tau) {
  vector sums(vocabulary, 0);
  for (vector const& row : rows) {
    vector const p = softmax(row, tau);
    for (size v = 0; v < vocabulary; ++v) sums[v] += p[v];
  }
  return sums;
}
/// The k ids of largest mass, equal masses by id, -1 where there are no more.
inline std::vector<long long> top(vector const& mass, size k) {
  std::vector<long long> ids(mass.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](long long a, long long b) { return mass[size(a)] > mass[size(b)]; });
  ids.resize(k, -1);
  return ids;
}

using pairs = std::vector<std::pair<size, size>>;  ///< (teacher token, student token)
inline pairs by_position(size teacher, size student) {
  pairs all;
  for (size t = 0; t < std::min(teacher, student); ++t) all.emplace_back(t, t);
  return all;
}
inline number holistic_difference(matrix const& t, matrix const& s, pairs const& aligned) {
  number difference = 0;
  for (auto const& [i, j] : aligned)
    for (size l = 0; l < t[i].size(); ++l) difference += std::fabs(t[i][l] - s[j][l]);
  return difference;
}
inline number sequential_logarithm(matrix const& t, matrix const& log_s, pairs const& aligned) {
  number logarithm = 0;
  for (auto const& [i, j] : aligned)
    for (size l = 0; l < t[i].size(); ++l)
      if (t[i][l] != 0 && log_s[j][l] != -infinity) logarithm -= t[i][l] * log_s[j][l];
  return logarithm;
}
inline number sign(number x) { return number((x > 0) - (x < 0)); }

inline matrix cost(matrix const& t, matrix const& s) {
  matrix c(t.size(), vector(s.size(), 0));
  for (size i = 0; i < t.size(); ++i)
    for (size j = 0; j < s.size(); ++j)
      for (size l = 0; l < t[i].size(); ++l) c[i][j] += std::fabs(t[i][l] - s[j][l]);
  return c;
}
/// Gradient of sum upstream C with respect to the student's table.
inline matrix cost_gradient(matrix const& upstream, matrix const& t, matrix const& s) {
  matrix g(s.size(), vector(s.empty() ? 0 : s[0].size(), 0));
  for (size i = 0; i < t.size(); ++i)
    for (size j = 0; j < s.size(); ++j)
      for (size l = 0; l < t[i].size(); ++l) g[j][l] += upstream[i][j] * sign(s[j][l] - t[i][l]);
  return g;
}

inline number cross_entropy(vector const& z, size label) { return -log_softmax(z, 1)[label]; }

/// What one softmax contributes to the gradient: H(l) = dL / d log p(ids(l)).
struct column_part {
  number temperature;
  std::vector<long long> ids;
  vector h;
};
/// One row of dL/dz, from d log p(c) / dz(v) = ([v = c] - p(v)) / tau; label -1: none.
inline vector logit_gradient(vector const& z, std::vector<column_part> const& parts,
                             long long label, number label_weight) {
  vector g(z.size(), 0);
  auto const add = [&](number weight, long long column, vector const& p) {
    for (size v = 0; v < z.size(); ++v)
      g[v] += weight * (number((long long)(v) == column && z[v] > -infinity) - p[v]);
  };
  for (column_part const& part : parts)
    for (size l = 0; l < part.h.size(); ++l)
      add(part.h[l] / part.temperature, part.ids[l], softmax(z, part.temperature));
  if (label >= 0) add(-label_weight, label, softmax(z, 1));
  return g;
}
}  // namespace oracle
