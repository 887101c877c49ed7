#pragma once
#include "oracle/loss_oracle.hpp"
/// What published code computes of kept probabilities (mlot/loss/reference_code.hpp and
/// distillkitplus.hpp), in long double; the gradient comes from the tape.
namespace oracle {
/// Tokens that share their columns, and how the student's are found.
enum class kept_rule { batch, greedy, position };

struct kept_problem {
  table teacher{}, student{};
  rows_of_sequences teacher_rows{}, student_rows{};  ///< of L tokens each, -1: an absent one
  std::vector<long> pairs{};                         ///< how many positions of a sequence are pairs
  kept_rule rule = kept_rule::batch;
  bool normalised = true;  ///< rows divided by their standard deviation
  long k = 50;
  double teacher_temperature = 1, student_temperature = 1;
  double weight = 1, difference = 1, logarithm = 0.1, transport = 0.1, upstream = 1;
  long width() const {  ///< columns of the tables
    std::size_t const widest = std::max(teacher.cols, student.cols);
    return std::min(k, long(rule == kept_rule::greedy ? teacher.cols : widest));
  }
};
struct kept_result {
  std::array<long double, 5> terms{};  ///< 0, HAD, SL', SD', total
  std::vector<std::vector<long double>> gradient{};
  columns teacher_columns{}, student_columns{};  ///< of each group
  long double gap = infinite;                    ///< as rank_gap of loss_result
};

namespace detail {
/// z / (std(z) + 1e-4) over the ids that are not masked.
inline numbers normalised(numbers z) {
  number sum, squares;
  long double count = 0;
  for (auto const& x : z)
    if (x.value > -infinite) sum = sum + x, ++count;
  if (count == 0) return z;
  number const mean = sum / number(count);
  for (auto const& x : z)
    if (x.value > -infinite) squares = squares + (x - mean) * (x - mean);
  number const deviation =
      squares.value > 0 ? exp(number(0.5L) * log(squares / number(count - 1))) : number();
  for (auto& x : z)
    if (x.value > -infinite) x = x / (deviation + number(1e-4L));
  return z;
}
}  // namespace detail

inline kept_result kept_loss(kept_problem const& p) {
  using namespace detail;
  tape.clear();
  kept_result out;
  std::size_t const sequences = p.student_rows.size();
  std::size_t const length = sequences == 0 ? 0 : p.student_rows[0].size();
  matrix leaves(p.student.rows);
  auto const probabilities_of = [&](table const& logits, rows_of_sequences const& rows,
                                    long double tau, bool student) {
    matrix all;
    for (auto const& of_sequence : rows)
      for (long const r : of_sequence) {
        numbers z(logits.cols, number(-infinite));
        for (std::size_t v = 0; v < logits.cols && r >= 0; ++v)
          if (double const x = logits(std::size_t(r), v); x > -infinite)
            z[v] = student ? variable(x) : number(x);
        if (student && r >= 0) leaves[std::size_t(r)] = z;
        all.push_back(log_softmax(p.normalised ? normalised(z) : z, tau));
      }
    return probabilities(all);
  };
  matrix const t = probabilities_of(p.teacher, p.teacher_rows, p.teacher_temperature, false);
  matrix const s = probabilities_of(p.student, p.student_rows, p.student_temperature, true);

  // Columns of every token, and the tables.
  std::size_t const tokens = t.size();
  long const width = p.width();
  auto const ranked = [&](matrix const& from, std::size_t vocabulary, columns& groups) {
    if (p.rule == kept_rule::position)
      for (std::size_t i = 0; i < tokens; ++i)
        groups.push_back(rank({from[i]}, vocabulary, width, out.gap));
    else if (sequences > 0)
      groups.push_back(rank(from, vocabulary, width, out.gap));
  };
  ranked(t, p.teacher.cols, out.teacher_columns);
  auto const columns_of = [&](columns const& groups, std::size_t i) {
    return groups[groups.size() == 1 ? 0 : groups.size() == tokens ? i : i / length];
  };
  if (p.rule == kept_rule::greedy) {
    // The first L columns and the ids below L, compared at all positions of the sequence.
    auto const tried = std::min(length, std::size_t(width));
    std::size_t const ids = std::min(length, p.student.cols);
    std::vector<token_pair> aligned;
    for (long i = 0; i < long(length); ++i) aligned.emplace_back(i, i);
    for (std::size_t b = 0; b < sequences; ++b) {
      auto const of_sequence = [&](matrix const& m) {
        return matrix(m.begin() + long(b * length), m.begin() + long((b + 1) * length));
      };
      auto first = out.teacher_columns[0];
      first.resize(tried);
      auto found = matched(of_sequence(t), of_sequence(s), first, aligned, ids, column_rule::greedy,
                           out.gap);
      found.resize(std::size_t(width), -1);
      out.student_columns.push_back(found);
    }
  } else {
    ranked(s, p.student.cols, out.student_columns);
  }
  auto const kept = [&](matrix const& from, columns const& groups) {
    matrix tables;
    for (std::size_t i = 0; i < tokens; ++i) {
      tables.emplace_back();
      for (long const id : columns_of(groups, i)) {
        number const x = at(from[i], id, number());
        tables.back().push_back(x.value == -infinite ? number() : x);
      }
    }
    return tables;
  };
  matrix const teacher = kept(t, out.teacher_columns), student = kept(s, out.student_columns);

  number difference, logarithm, distance;
  for (std::size_t b = 0; b < sequences; ++b) {
    number of_pairs, of_positions;
    for (std::size_t i = b * length; i < (b + 1) * length; ++i) {
      if (i < b * length + std::size_t(p.pairs[b]))
        for (std::size_t l = 0; l < std::size_t(width); ++l)
          of_pairs = of_pairs + abs(teacher[i][l] - student[i][l]);
      numbers const log_t = log_softmax(teacher[i], 1), log_s = log_softmax(student[i], 1);
      for (std::size_t l = 0; l < std::size_t(width); ++l)
        of_positions = of_positions - exp(log_s[l]) * log_t[l];
    }
    if (p.pairs[b] > 0) difference = difference + of_pairs / number(p.pairs[b]);
    if (length > 0) logarithm = logarithm + of_positions / number((long double)(length));
    auto const softer = [&](matrix const& of) {
      matrix x(of.begin() + long(b * length), of.begin() + long((b + 1) * length));
      return each(log_softmax_of(x, 2), [](number const& e) { return exp(e); });
    };
    matrix const x = softer(teacher), y = softer(student);
    matrix cost(length, numbers(length));
    for (std::size_t i = 0; i < length; ++i)
      for (std::size_t j = 0; j < length; ++j)
        for (std::size_t l = 0; l < x[i].size(); ++l)
          cost[i][j] = cost[i][j] + abs(x[i][l] - y[j][l]);
    matrix const plan = sinkhorn(cost, 0.1L, 10);
    for (std::size_t i = 0; i < length; ++i)
      for (std::size_t j = 0; j < length; ++j) distance = distance + plan[i][j] * cost[i][j];
  }
  number const mean = number(sequences > 0 ? 1 / (long double)(sequences) : 0);
  difference = difference * mean, logarithm = logarithm * mean, distance = distance * number(1e-3L);
  number const total =
      number(p.weight) * (number(p.difference) * difference + number(p.logarithm) * logarithm +
                          number(p.transport) * distance);
  out.terms = {0, difference.value, logarithm.value, distance.value, total.value};
  auto const d = derivatives(total);
  out.gradient.assign(p.student.rows, std::vector<long double>(p.student.cols, 0));
  for (std::size_t r = 0; r < p.student.rows; ++r)
    for (std::size_t v = 0; v < leaves[r].size(); ++v)
      if (int const place = leaves[r][v].place; place >= 0)
        out.gradient[r][v] = d[std::size_t(place)] * p.upstream;
  return out;
}
}  // namespace oracle
