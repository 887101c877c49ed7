#pragma once
#include <algorithm>
#include <limits>
#include <optional>

#include "oracle/loss_tape.hpp"
/// Dual-space distillation with cross-model attention, from its formulas, in long double. All its
/// gradients are by reverse-mode differentiation of what is written here.
namespace oracle {
using row = std::vector<long double>;
using rows = std::vector<row>;
using number_row = std::vector<number>;
using number_rows = std::vector<number_row>;
using std::size_t;

struct dual_space_side {
  rows hidden, input, target, head, logits;
  std::vector<std::vector<size_t>> tokens;  ///< rows of every sequence
  std::vector<long> labels;                 ///< of every row; -1: none
};
struct map_of_rows {
  rows weight;
  row bias;
};
enum class dual_space_kind { forward_kl, reverse_kl, jensen_shannon };  ///< the last of weight 1/2
struct dual_space_problem {
  dual_space_side teacher, student;
  map_of_rows query, teacher_to_student, student_to_teacher;
  dual_space_kind kind = dual_space_kind::forward_kl;
  long double ratio = 0.5L, temperature = 2, divisor = 1;
};

/// Of the whole loss, but for the terms, which are divided only.
struct dual_space_result {
  long double terms[5] = {0, 0, 0, 0, 0};
  std::vector<std::vector<long double>> sequence_terms;
  rows logit_gradient, hidden_gradient;
  map_of_rows query, teacher_to_student, student_to_teacher;
  map_of_rows query_summands;  ///< absolute values of what the gradient of P_q is a sum of
  long agreeing = 0;           ///< tokens with [argmax z^ts = y]
  /// The least difference of the largest projected logit of a labelled token and another.
  long double margin = std::numeric_limits<long double>::infinity();
  std::vector<size_t> best;  ///< argmax z^ts of every row of the student, where it has one
};

namespace detail {
inline number_rows variables(rows const& of) {
  number_rows out;
  for (row const& r : of) {
    out.emplace_back();
    for (long double const x : r) out.back().push_back(variable(x));
  }
  return out;
}
inline number sum(number_row const& of) {
  number total;
  for (number const& x : of) total = total + x;
  return total;
}
inline number dot(number_row const& x, number_row const& y) {
  number total;
  for (size_t c = 0; c < x.size(); ++c) total = total + x[c] * y[c];
  return total;
}
inline number_row constants(row const& of) { return {of.begin(), of.end()}; }
/// log softmax(z / tau); -inf, as a constant, where z is.
inline number_row log_softmax(number_row const& z, long double tau) {
  long double top = -std::numeric_limits<long double>::infinity();
  for (number const& x : z) top = std::max(top, x.value);
  number total;
  for (number const& x : z)
    if (std::isfinite(x.value)) total = total + exp((x - number(top)) / number(tau));
  number_row out;
  for (number const& x : z)
    out.push_back(std::isfinite(x.value) ? (x - number(top)) / number(tau) - log(total)
                                         : number(x.value));
  return out;
}
inline number_row mapped(number_row const& x, number_rows const& weight, number_row const& bias) {
  number_row out;
  for (size_t o = 0; o < weight.size(); ++o) out.push_back(dot(weight[o], x) + bias[o]);
  return out;
}
inline number_row attended(number_row const& scores, number_rows const& values) {
  number_row const weight = log_softmax(scores, 1);
  number_row out(values.front().size());
  for (size_t k = 0; k < values.size(); ++k)
    for (size_t c = 0; c < out.size(); ++c) out[c] = out[c] + exp(weight[k]) * values[k][c];
  return out;
}
inline number_row times_head(number_row const& state, rows const& head) {
  number_row z;
  for (row const& w : head) z.push_back(dot(state, constants(w)));
  return z;
}
/// sum x (log x - log y)
inline number kl(number_row const& log_x, number_row const& log_y) {
  number total;
  for (size_t v = 0; v < log_x.size(); ++v)
    if (std::isfinite(log_x[v].value)) total = total + exp(log_x[v]) * (log_x[v] - log_y[v]);
  return total;
}
inline number divergence(dual_space_kind kind, number_row const& log_q, number_row const& log_p) {
  if (kind == dual_space_kind::forward_kl) return kl(log_q, log_p);
  if (kind == dual_space_kind::reverse_kl) return kl(log_p, log_q);
  number_row log_m;
  for (size_t v = 0; v < log_q.size(); ++v) {
    number const p = std::isfinite(log_p[v].value) ? exp(log_p[v]) : number();
    log_m.push_back(log((exp(log_q[v]) + p) / number(2)));
  }
  return (kl(log_q, log_m) + kl(log_p, log_m)) / number(2);
}
/// d result / d (every entry of the tape), with every product on the way as its absolute value.
inline row absolute_derivatives(number const& result) {
  row adjoint(tape.size(), 0);
  if (result.place < 0) return adjoint;
  adjoint[size_t(result.place)] = 1;
  for (size_t i = tape.size(); i-- > 0;)
    for (int side = 0; side < 2; ++side)
      if (int const parent = tape[i].parent[side]; parent >= 0)
        adjoint[size_t(parent)] += adjoint[i] * std::fabs(tape[i].partial[side]);
  return adjoint;
}
/// Unbiased; 1 where it is 0 or is none.
inline long double deviation(dual_space_side const& side, std::vector<rows const*> const& of) {
  row all;
  for (rows const* const m : of)
    for (auto const& sequence : side.tokens)
      for (size_t const r : sequence) all.insert(all.end(), (*m)[r].begin(), (*m)[r].end());
  if (all.size() < 2) return 1;
  long double mean = 0, squares = 0;
  for (long double const x : all) mean += x / (long double)(all.size());
  for (long double const x : all) squares += (x - mean) * (x - mean);
  long double const out = std::sqrt(squares / (long double)(all.size() - 1));
  return out > 0 ? out : 1;
}
}  // namespace detail

inline dual_space_result dual_space(dual_space_problem const& p) {
  using namespace detail;
  tape.clear();
  auto const &t = p.teacher, &s = p.student;
  number_rows const logits = variables(s.logits), hidden = variables(s.hidden);
  number_rows const query = variables(p.query.weight),
                    to_s = variables(p.teacher_to_student.weight),
                    to_t = variables(p.student_to_teacher.weight);
  number_rows const biases =
      variables({p.query.bias, p.teacher_to_student.bias, p.student_to_teacher.bias});
  long double const index_std = deviation(t, {&t.input, &t.target});
  long double const hidden_std = deviation(t, {&t.hidden});
  long double const target_std = deviation(t, {&t.target});

  dual_space_result out;
  out.best.assign(s.logits.size(), s.head.size());
  number terms[4];
  for (size_t b = 0; b < s.tokens.size(); ++b) {
    number own[4];
    auto const &student_rows = s.tokens[b], &teacher_rows = t.tokens[b];
    for (size_t const r : student_rows)
      if (s.labels[r] >= 0) own[0] = own[0] - log_softmax(logits[r], 1)[size_t(s.labels[r])];
    if (!student_rows.empty() && !teacher_rows.empty()) {
      number_rows scores, turned(teacher_rows.size()), teacher_values, student_values;
      for (size_t const r : student_rows) {
        number_row x = constants(s.input[r]), y = constants(s.target[r]);
        x.insert(x.end(), y.begin(), y.end());
        number_row const q = mapped(x, query, biases[0]);
        scores.emplace_back();
        for (size_t i = 0; i < teacher_rows.size(); ++i) {
          row k = t.input[teacher_rows[i]], target = t.target[teacher_rows[i]];
          k.insert(k.end(), target.begin(), target.end());
          for (long double& e : k) e /= index_std;
          scores.back().push_back(dot(q, constants(k)) /
                                  number(std::sqrt((long double)(k.size()))));
          turned[i].push_back(scores.back().back());
        }
        student_values.push_back(mapped(hidden[r], to_t, biases[2]));
      }
      for (size_t const r : teacher_rows) {
        row u;
        for (size_t c = 0; c < t.hidden[r].size(); ++c)
          u.push_back(t.hidden[r][c] / hidden_std + t.target[r][c] / target_std);
        teacher_values.push_back(mapped(constants(u), to_s, biases[1]));
      }
      for (size_t j = 0; j < student_rows.size(); ++j) {
        size_t const r = student_rows[j];
        number_row const z = times_head(attended(scores[j], teacher_values), s.head);
        size_t best = 0;
        for (size_t v = 1; v < z.size(); ++v)
          if (z[v].value > z[best].value) best = v;
        out.best[r] = best;
        if (s.labels[r] < 0) continue;
        own[1] = own[1] - log_softmax(z, 1)[size_t(s.labels[r])];
        for (size_t v = 0; v < z.size(); ++v)
          if (v != best) out.margin = std::min(out.margin, z[best].value - z[v].value);
        if (best != size_t(s.labels[r])) continue;
        ++out.agreeing;
        row stopped;
        for (number const& x : z) stopped.push_back(x.value);
        own[2] = own[2] + divergence(p.kind, log_softmax(constants(stopped), p.temperature),
                                     log_softmax(logits[r], p.temperature));
      }
      for (size_t i = 0; i < teacher_rows.size(); ++i) {
        size_t const r = teacher_rows[i];
        if (!t.labels.empty() && t.labels[r] < 0) continue;
        own[3] = own[3] + kl(log_softmax(constants(t.logits[r]), p.temperature),
                             log_softmax(times_head(attended(turned[i], student_values), t.head),
                                         p.temperature));
      }
    }
    out.sequence_terms.emplace_back();
    for (int c = 0; c < 4; ++c) {
      out.sequence_terms.back().push_back(own[c].value);
      terms[c] = terms[c] + own[c];
    }
  }
  number const total =
      (number(1 - p.ratio) * terms[0] + number(p.ratio) * (terms[1] + terms[2] + terms[3])) /
      number(p.divisor);
  for (int c = 0; c < 4; ++c) out.terms[c] = terms[c].value / p.divisor;
  out.terms[4] = total.value;

  auto const read = [](row const& adjoint, number_rows const& of) {
    rows all;
    for (number_row const& r : of) {
      all.emplace_back();
      for (number const& x : r) all.back().push_back(adjoint[size_t(x.place)]);
    }
    return all;
  };
  row const adjoint = derivatives(total), absolute = absolute_derivatives(total);
  out.logit_gradient = read(adjoint, logits);
  out.hidden_gradient = read(adjoint, hidden);
  rows const bias_gradients = read(adjoint, biases);
  out.query = {read(adjoint, query), bias_gradients[0]};
  out.teacher_to_student = {read(adjoint, to_s), bias_gradients[1]};
  out.student_to_teacher = {read(adjoint, to_t), bias_gradients[2]};
  out.query_summands = {read(absolute, query), read(absolute, biases)[0]};
  return out;
}
}  // namespace oracle
