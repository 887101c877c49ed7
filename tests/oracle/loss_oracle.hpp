#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "oracle/assignment_oracle.hpp"
#include "oracle/loss_tape.hpp"
/// MultiLevelOT in long double, written from the paper's formulas and from nothing else; its
/// gradient comes from the tape. Slow, literal, without any trick.
namespace oracle {
inline constexpr long double infinite = std::numeric_limits<long double>::infinity();

struct table {
  std::size_t rows = 0, cols = 0;
  std::vector<double> values{};
  double& operator()(std::size_t i, std::size_t j) { return values[i * cols + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values[i * cols + j]; }
};
inline table make_table(std::size_t rows, std::size_t cols) {
  return {rows, cols, std::vector<double>(rows * cols)};
}
using rows_of_sequences = std::vector<std::vector<long>>;  ///< -1: an absent token
using token_pair = std::pair<long, long>;                  ///< (teacher, student) token
using columns = std::vector<std::vector<long>>;            ///< of every sequence; -1: none

/// How the student's columns are chosen; `rank` by themselves.
enum class column_rule { rank, greedy, exact };

struct loss_problem {
  table teacher{}, student{};  ///< logits of all rows, tokens or not
  rows_of_sequences teacher_rows{}, student_rows{};
  std::vector<long> labels{};  ///< one a student row, -100 ignored; empty: no cross-entropy
  std::optional<std::vector<std::vector<token_pair>>> pairs{};
  long k = 50, iterations = 20;
  double temperature = 1, teacher_temperature = 1, transport_temperature = 2, epsilon = 0.1;
  double alpha = 0.15, holistic = 1, beta = 0.1, gamma = 0.1, divisor = 1, upstream = 1;
  bool own_transport_ranking = false, plan_constant = false, token_level = false;
  column_rule rule = column_rule::rank;
  /// Given columns, instead of ranks.
  std::optional<columns> teacher_columns{}, student_columns{};
  std::optional<columns> teacher_transport_columns{}, student_transport_columns{};
};

struct loss_result {
  std::array<long double, 5> terms{};                         ///< CE, HAD, SL, SD, total
  std::vector<std::array<long double, 4>> sequence_terms{};   ///< before division
  std::vector<std::vector<std::vector<long double>>> plan{};  ///< [sequence][teacher][student]
  std::vector<std::vector<long double>> gradient{};           ///< [student row][id]
  columns teacher_columns{}, student_columns{};
  columns teacher_transport_columns{}, student_transport_columns{};
  /// Least relative gap between neighbours among the masses that decided a ranking, or among the
  /// costs that decided a greedy matching. Where it is near a type's rounding, that type may choose
  /// otherwise.
  long double rank_gap = infinite;
};

namespace detail {
using numbers = std::vector<number>;
using matrix = std::vector<numbers>;

inline number sum(numbers const& xs) {
  number total;
  for (auto const& x : xs) total = total + x;
  return total;
}
inline number log_sum_exp(numbers const& xs) {
  long double top = -infinite;
  for (auto const& x : xs) top = std::max(top, x.value);
  number total;
  for (auto const& x : xs)
    if (x.value > -infinite) total = total + exp(x - number(top));
  return number(top) + log(total);
}
/// z / tau - log sum exp(z / tau); a masked id, and every id of an absent row, is at -inf.
inline numbers log_softmax(numbers z, long double tau) {
  for (auto& x : z)
    if (x.value > -infinite) x = x / number(tau);
  bool const absent = std::all_of(z.begin(), z.end(), [](auto& x) { return x.value == -infinite; });
  if (absent) return z;
  number const normaliser = log_sum_exp(z);
  for (auto& x : z)
    if (x.value > -infinite) x = x - normaliser;
  return z;
}
inline matrix each(matrix m, auto f) {
  for (auto& row : m)
    for (auto& x : row) x = f(x);
  return m;
}
inline matrix probabilities(matrix const& log_probabilities) {
  return each(log_probabilities,
              [](number const& x) { return x.value == -infinite ? number() : exp(x); });
}
inline matrix log_softmax_of(matrix m, long double tau) {
  for (auto& row : m) row = log_softmax(row, tau);
  return m;
}

/// Ids by descending mass, ties to the lower id; -1 beyond the vocabulary.
inline std::vector<long> rank(matrix const& p, std::size_t vocabulary, long width,
                              long double& gap) {
  std::vector<long double> mass(vocabulary, 0);
  for (auto const& row : p)
    for (std::size_t v = 0; v < vocabulary; ++v) mass[v] += row[v].value;
  std::vector<long> ids(vocabulary);
  std::iota(ids.begin(), ids.end(), 0L);
  auto const of = [&](long id) { return mass[static_cast<std::size_t>(id)]; };
  std::stable_sort(ids.begin(), ids.end(), [&](long a, long b) { return of(a) > of(b); });
  auto const size = static_cast<long>(vocabulary);
  for (long l = 0; l < std::min(width, size - 1); ++l) {
    auto const here = of(ids[std::size_t(l)]), next = of(ids[std::size_t(l + 1)]);
    if (here > 0) gap = std::min(gap, (here - next) / here);
  }
  ids.resize(static_cast<std::size_t>(width), -1);
  return ids;
}
/// The student's ids for the teacher's columns `ids`, by what tables of probabilities say.
inline std::vector<long> matched(matrix const& t, matrix const& s, std::vector<long> const& ids,
                                 std::vector<token_pair> const& aligned, std::size_t vocabulary,
                                 column_rule rule, long double& gap) {
  cost_table cost(ids.size(), std::vector<long double>(vocabulary, 0));
  std::vector<long double> absence(ids.size(), 0);
  for (auto const& [i, j] : aligned)
    for (std::size_t l = 0; l < ids.size(); ++l) {
      long double const of_teacher = t[std::size_t(i)][std::size_t(ids[l])].value;
      absence[l] += of_teacher;
      for (std::size_t v = 0; v < vocabulary; ++v)
        cost[l][v] += std::fabs(of_teacher - s[std::size_t(j)][v].value);
    }
  if (rule == column_rule::exact) return exact_matching(cost, absence);
  auto const chosen = greedy_matching(cost);
  std::vector<bool> taken(vocabulary, false);
  for (std::size_t l = 0; l < std::min(ids.size(), vocabulary); ++l) {
    auto const best = std::size_t(chosen[l]);
    taken[best] = true;
    for (std::size_t v = 0; v < vocabulary; ++v)
      if (!taken[v] && cost[l][v] > cost[l][best])
        gap = std::min(gap, (cost[l][v] - cost[l][best]) / cost[l][v]);
  }
  return chosen;
}
inline number at(numbers const& row, long id, number const& missing) {
  return id < 0 ? missing : row[static_cast<std::size_t>(id)];
}

/// The plan after N rounds: rows divided by their sums, then columns by theirs.
inline matrix sinkhorn(matrix const& cost, long double epsilon, long iterations) {
  matrix x = each(cost, [&](number const& c) { return -c / number(epsilon); });
  std::size_t const rows = x.size(), cols = rows == 0 ? 0 : x[0].size();
  for (long r = 0; r < iterations && cols > 0; ++r) {
    for (auto& row : x) {
      number const all = log_sum_exp(row);
      for (auto& e : row) e = e - all;
    }
    for (std::size_t j = 0; j < cols; ++j) {
      numbers column;
      for (auto const& row : x) column.push_back(row[j]);
      number const all = log_sum_exp(column);
      for (auto& row : x) row[j] = row[j] - all;
    }
  }
  return each(x, [](number const& e) { return exp(e); });
}
}  // namespace detail

inline loss_result multi_level(loss_problem const& p) {
  using namespace detail;
  tape.clear();
  loss_result out;
  std::size_t const sequences = p.student_rows.size();
  long const widest =
      long(p.rule == column_rule::rank ? std::max(p.teacher.cols, p.student.cols) : p.teacher.cols);
  long const width = std::min<long>(p.k, widest);
  matrix leaves(p.student.rows);
  auto const rows_from = [&](table const& logits, std::vector<long> const& rows, bool student) {
    matrix z;
    for (long const r : rows) {
      numbers row(logits.cols, number(-infinite));
      for (std::size_t v = 0; v < logits.cols && r >= 0; ++v)
        if (double const x = logits(std::size_t(r), v); x > -infinite)
          row[v] = student ? variable(x) : number(x);
      if (student && r >= 0) leaves[std::size_t(r)] = row;
      z.push_back(row);
    }
    return z;
  };

  std::array<number, 4> terms{};  // CE, HAD, SL, SD
  for (std::size_t b = 0; b < sequences; ++b) {
    matrix const zt = rows_from(p.teacher, p.teacher_rows[b], false);
    matrix const zs = rows_from(p.student, p.student_rows[b], true);
    matrix const t = probabilities(log_softmax_of(zt, p.teacher_temperature));
    matrix const t2 = probabilities(log_softmax_of(zt, p.transport_temperature));
    matrix const log_s = log_softmax_of(zs, p.temperature), s = probabilities(log_s);
    matrix const s2 = probabilities(log_softmax_of(zs, p.transport_temperature));
    matrix const log_q = log_softmax_of(zs, 1);

    std::vector<token_pair> aligned;
    for (long i = 0; i < long(std::min(t.size(), s.size())); ++i) aligned.emplace_back(i, i);
    if (p.pairs) aligned = (*p.pairs)[b];
    auto const choose = [&](std::optional<columns> const& given, matrix const& from,
                            std::size_t vocabulary) {
      return given ? (*given)[b] : rank(from, vocabulary, width, out.rank_gap);
    };
    auto const ct = choose(p.teacher_columns, t, p.teacher.cols);
    auto const meet = [&](std::optional<columns> const& given, matrix const& of_teacher,
                          matrix const& of_student, std::vector<long> const& ids) {
      if (given || p.rule == column_rule::rank) return choose(given, of_student, p.student.cols);
      return matched(of_teacher, of_student, ids, aligned, p.student.cols, p.rule, out.rank_gap);
    };
    auto const cs = meet(p.student_columns, t, s, ct);
    bool const own = p.own_transport_ranking;
    auto const ct2 = own ? choose(p.teacher_transport_columns, t2, p.teacher.cols) : ct;
    auto const cs2 = own ? meet(p.student_transport_columns, t2, s2, ct2) : cs;
    out.teacher_columns.push_back(ct), out.student_columns.push_back(cs);
    out.teacher_transport_columns.push_back(ct2), out.student_transport_columns.push_back(cs2);

    number difference, logarithm, cross_entropy, distance;
    for (auto const& [ti, si] : aligned) {
      auto const i = std::size_t(ti), j = std::size_t(si);
      for (std::size_t l = 0; l < std::size_t(width); ++l) {
        number const tl = at(t[i], ct[l], number());
        difference = difference + abs(tl - at(s[j], cs[l], number()));
        number const log_sl = at(log_s[j], cs[l], number(-infinite));
        if (tl.value > 0 && log_sl.value > -infinite) logarithm = logarithm - tl * log_sl;
      }
    }

    auto const transport_over = [&](matrix const& cost) {
      matrix const plan = sinkhorn(cost, p.epsilon, p.iterations);
      for (std::size_t i = 0; i < plan.size(); ++i)
        for (std::size_t j = 0; j < plan[i].size(); ++j)
          distance =
              distance + (p.plan_constant ? number(plan[i][j].value) : plan[i][j]) * cost[i][j];
      return plan;
    };
    for (std::size_t i = 0; p.token_level && i < std::min(t.size(), s.size()); ++i) {
      auto const k = std::size_t(width);
      matrix of_columns(k, numbers(k));
      for (std::size_t l = 0; l < k; ++l)
        for (std::size_t q = 0; q < k; ++q)
          of_columns[l][q] = abs(at(t2[i], ct2[l], number()) - at(s2[i], cs2[q], number()));
      transport_over(of_columns);
    }
    matrix cost(t.size(), numbers(s.size()));
    for (std::size_t i = 0; i < t.size(); ++i)
      for (std::size_t j = 0; j < s.size(); ++j)
        for (std::size_t l = 0; l < std::size_t(width); ++l)
          cost[i][j] = cost[i][j] + abs(at(t2[i], ct2[l], number()) - at(s2[j], cs2[l], number()));
    auto& kept = out.plan.emplace_back();
    if (!p.token_level)
      for (auto const& row : transport_over(cost)) {
        kept.emplace_back();
        for (number const& mass : row) kept.back().push_back(mass.value);
      }

    for (std::size_t j = 0; j < zs.size() && !p.labels.empty(); ++j)
      if (long const r = p.student_rows[b][j]; r >= 0)
        if (long const y = p.labels[std::size_t(r)]; y != -100)
          cross_entropy = cross_entropy - log_q[j][std::size_t(y)];

    std::array<number, 4> const of_b{cross_entropy, difference, logarithm, distance};
    auto& values = out.sequence_terms.emplace_back();
    for (std::size_t c = 0; c < 4; ++c) {
      values[c] = of_b[c].value;
      terms[c] = terms[c] + of_b[c];
    }
  }

  number const total =
      terms[0] + number(p.alpha) * (number(p.holistic) * terms[1] + number(p.beta) * terms[2] +
                                    number(p.gamma) * terms[3]);
  for (std::size_t c = 0; c < 4; ++c) out.terms[c] = terms[c].value / p.divisor;
  out.terms[4] = total.value / p.divisor;
  auto const d = derivatives(total);
  out.gradient.assign(p.student.rows, std::vector<long double>(p.student.cols, 0));
  for (std::size_t r = 0; r < p.student.rows; ++r)
    for (std::size_t v = 0; v < leaves[r].size(); ++v)
      if (int const place = leaves[r][v].place; place >= 0)
        out.gradient[r][v] = d[std::size_t(place)] * p.upstream / p.divisor;
  return out;
}
}  // namespace oracle
