#pragma once
#include <cmath>
#include <limits>
#include <vector>
/// Matchings in long double, from tables of costs (columns to match, ids to take). Nothing here
/// comes from the library.
namespace oracle {
using cost_table = std::vector<std::vector<long double>>;
using matching = std::vector<long>;  ///< the id of every column, or -1

/// One column after the other takes the cheapest id that is left, the lower of two.
inline matching greedy_matching(cost_table const& cost) {
  matching out;
  std::vector<bool> taken(cost.empty() ? 0 : cost[0].size(), false);
  for (auto const& row : cost) {
    long best = -1;
    for (std::size_t v = 0; v < row.size(); ++v)
      if (!taken[v] && (best < 0 || row[v] < row[std::size_t(best)])) best = long(v);
    if (best >= 0) taken[std::size_t(best)] = true;
    out.push_back(best);
  }
  return out;
}

/// The Hungarian method over a full table, with potentials, column by column: as it is in
/// textbooks. Where there are fewer ids than columns, those that are left without cost `absence`.
inline matching exact_matching(cost_table cost, std::vector<long double> const& absence) {
  std::size_t const rows = cost.size(), ids = rows == 0 ? 0 : cost[0].size();
  for (std::size_t l = 0; l < rows; ++l)
    while (cost[l].size() < rows) cost[l].push_back(absence[l]);
  std::size_t const cols = rows == 0 ? 0 : cost[0].size();
  long double const infinite = std::numeric_limits<long double>::infinity();
  std::vector<long double> u(rows + 1, 0), v(cols + 1, 0);
  std::vector<std::size_t> row_at(cols + 1, 0), way(cols + 1, 0);  // place 0 stands for none
  for (std::size_t i = 1; i <= rows; ++i) {
    std::vector<long double> least(cols + 1, infinite);
    std::vector<bool> used(cols + 1, false);
    std::size_t at = 0;
    row_at[0] = i;
    do {
      used[at] = true;
      std::size_t next = 0;
      long double step = infinite;
      for (std::size_t j = 1; j <= cols; ++j) {
        if (used[j]) continue;
        long double const reduced = cost[row_at[at] - 1][j - 1] - u[row_at[at]] - v[j];
        if (reduced < least[j]) least[j] = reduced, way[j] = at;
        if (least[j] < step) step = least[j], next = j;
      }
      for (std::size_t j = 0; j <= cols; ++j)
        if (used[j])
          u[row_at[j]] += step, v[j] -= step;
        else
          least[j] -= step;
      at = next;
    } while (row_at[at] != 0);
    for (; at != 0; at = way[at]) row_at[at] = row_at[way[at]];
  }
  matching out(rows, -1);
  for (std::size_t j = 1; j <= cols; ++j)
    if (row_at[j] != 0 && j <= ids) out[row_at[j] - 1] = long(j - 1);
  return out;
}

inline long double objective(cost_table const& cost, std::vector<long double> const& absence,
                             matching const& ids) {
  long double sum = 0;
  for (std::size_t l = 0; l < cost.size(); ++l)
    sum += ids[l] < 0 ? absence[l] : cost[l][std::size_t(ids[l])];
  return sum;
}
}  // namespace oracle
