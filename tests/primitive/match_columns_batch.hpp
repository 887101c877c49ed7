#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/assignment_oracle.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
/// A ragged batch whose student columns are to be matched: a teacher's table, a student's logits
/// with a Zipf-like bias, and what vocabulary_mass makes of them.
template <class T, class S>
struct matching_batch {
  struct shape {
    std::vector<index_t> teacher_lengths{5, 0, 3, 7, 4}, student_lengths{4, 2, 3, 0, 9};
    index_t k = 6, vocabulary = 40;
    double scale = 1, temperature = 1;
    double bias = 1;  ///< 0: all ids are alike
    layout where = {1, 3, 1};
    bool paired = false;  ///< pairs are given
  };
  shape of;
  kit::tokens teacher_tokens, tokens;
  framed<T> teacher;
  framed<S> logits;
  framed<T> maximum{tokens.count()}, partition{tokens.count()};
  framed<T> mass{tokens.sequences(), of.vocabulary};
  framed<index_t> ids{tokens.sequences(), of.k};
  framed<T> objective{tokens.sequences()};
  std::vector<index_t> pair_offset{0}, pair_teacher, pair_student;

  explicit matching_batch(shape const& s, std::uint64_t seed = 1)
      : of(s),
        teacher_tokens(s.teacher_lengths, true),
        tokens(s.student_lengths, true),
        teacher(teacher_tokens.count(), s.k, {s.where.skip, s.where.gap, s.where.step}),
        logits(tokens.rows, s.vocabulary, s.where) {
    random_source random(seed);
    auto const likely = [&](index_t v, index_t size) {
      return -of.bias * std::log(double(1 + (v * 7919 + 13) % size));
    };
    fill(logits, [&](index_t, index_t v) {
      return mlot::store_as<S>(T(likely(v, of.vocabulary) + of.scale * random.normal()));
    });
    // The columns of largest mass of a vocabulary twice as large as k.
    index_t const m = 2 * s.k + 1;
    for (index_t i = 0; i < teacher.rows(); ++i) {
      oracle::vector z;
      for (index_t v = 0; v < m; ++v)
        z.push_back(-of.bias * std::log((long double)(v + 1)) + of.scale * random.normal());
      oracle::vector const p = oracle::softmax(z, of.temperature);
      for (index_t l = 0; l < s.k; ++l)
        teacher(i, l) = teacher_tokens.row[std::size_t(i)] < 0 ? T(0) : T(p[std::size_t(l)]);
    }
    for (index_t b = 0; b < tokens.sequences() && s.paired; ++b) {
      index_t const t = count(teacher_tokens, b);
      for (index_t j = 0; j < count(tokens, b) && t > 0; ++j)
        for (index_t n = random.below(3); n > 0; --n) {
          pair_teacher.push_back(random.below(t));
          pair_student.push_back(j);
        }
      pair_offset.push_back(index_t(pair_teacher.size()));
    }
  }
  static index_t count(kit::tokens const& of_side, index_t b) {
    return of_side.offset[std::size_t(b) + 1] - of_side.offset[std::size_t(b)];
  }
  /// The sums over the student's vocabulary.
  template <class Device>
  void sum() {
    succeeds<Device>(mlot::vocabulary_mass<T, S, mlot::host_memory>{
        .logits = logits.matrix(),
        .tokens = tokens.view(),
        .maximum = maximum.vector(),
        .at = {{T(of.temperature), partition.vector(), mass.matrix()}}});
  }
  mlot::match_columns<T, S, mlot::host_memory> primitive(mlot::matching_rule rule) {
    mlot::match_columns<T, S, mlot::host_memory> p{.teacher = teacher.matrix(),
                                                   .teacher_offset = teacher_tokens.view().offset,
                                                   .logits = logits.matrix(),
                                                   .tokens = tokens.view(),
                                                   .maximum = maximum.vector(),
                                                   .partition = partition.vector(),
                                                   .temperature = T(of.temperature),
                                                   .pairs = {},
                                                   .mass = mass.matrix(),
                                                   .rule = rule,
                                                   .ids = ids.matrix(),
                                                   .objective = objective.vector()};
    if (of.paired)
      p.pairs = {{pair_offset.data(), index_t(pair_offset.size())},
                 {pair_teacher.data(), index_t(pair_teacher.size())},
                 {pair_student.data(), index_t(pair_student.size())}};
    return p;
  }

  /// What the formula says of sequence b, and the scale of its rounding.
  struct costs {
    oracle::cost_table cost, scale;  ///< (K, V): sum |t - s|, sum t + s
    std::vector<long double> absence;
  };
  costs expected(index_t b) {
    index_t const t0 = teacher_tokens.offset[std::size_t(b)], s0 = tokens.offset[std::size_t(b)];
    auto const k = std::size_t(of.k), n = std::size_t(of.vocabulary);
    costs out{oracle::cost_table(k, std::vector<long double>(n, 0)),
              oracle::cost_table(k, std::vector<long double>(n, 0)),
              std::vector<long double>(k, 0)};
    std::vector<oracle::vector> student;
    for (index_t j = 0; j < count(tokens, b); ++j) {
      index_t const r = tokens.row[std::size_t(s0 + j)];
      oracle::vector z(n, -oracle::infinity);
      for (std::size_t v = 0; v < n && r >= 0; ++v) z[v] = mlot::load_as<T>(logits(r, index_t(v)));
      student.push_back(oracle::softmax(z, (long double)(T(of.temperature))));
    }
    auto const add = [&](index_t i, index_t j) {
      for (std::size_t l = 0; l < k; ++l) {
        long double const t = teacher(t0 + i, index_t(l));
        out.absence[l] += t;
        for (std::size_t v = 0; v < n; ++v) {
          long double const s = student[std::size_t(j)][v];
          out.cost[l][v] += std::fabs(t - s);
          out.scale[l][v] += t + s;
        }
      }
    };
    if (of.paired)
      for (index_t n_pair = pair_offset[std::size_t(b)]; n_pair < pair_offset[std::size_t(b) + 1];
           ++n_pair)
        add(pair_teacher[std::size_t(n_pair)], pair_student[std::size_t(n_pair)]);
    else
      for (index_t i = 0; i < std::min(count(teacher_tokens, b), count(tokens, b)); ++i) add(i, i);
    return out;
  }

  /// By how much sequence b's answer is not what it should be, relative to the scale of rounding:
  /// for greedy at every step, for exact the whole sum; and the objective. Infinite where ids are
  /// taken twice or are none.
  double error(index_t b, mlot::matching_rule rule) {
    costs const all = expected(b);
    std::vector<bool> taken(std::size_t(of.vocabulary), false);
    oracle::matching is;
    largest_error worst;
    long double scale = 0;
    for (index_t l = 0; l < of.k; ++l) {
      auto const row = std::size_t(l);
      index_t const v = ids(b, l);
      is.push_back(long(v));
      if (v < -1 || v >= of.vocabulary) return double(oracle::infinity);
      if (v >= 0 && taken[std::size_t(v)]) return double(oracle::infinity);
      scale += v < 0 ? all.absence[row] : all.scale[row][std::size_t(v)];
      if (rule == mlot::matching_rule::greedy) {
        if ((v < 0) != (l >= of.vocabulary)) return double(oracle::infinity);
        for (std::size_t u = 0; u < taken.size(); ++u)
          if (!taken[u] && all.cost[row][std::size_t(v)] > all.cost[row][u])
            worst.add((all.cost[row][std::size_t(v)] - all.cost[row][u]) /
                      (all.scale[row][std::size_t(v)] + all.scale[row][u]));
      }
      if (v >= 0) taken[std::size_t(v)] = true;
    }
    long double const sum = oracle::objective(all.cost, all.absence, is);
    if (scale == 0) scale = 1;
    if (rule == mlot::matching_rule::exact) {
      auto const best = oracle::exact_matching(all.cost, all.absence);
      worst.add((sum - oracle::objective(all.cost, all.absence, best)) / scale);
    }
    worst.add(std::fabs(objective(b) - sum) / scale);
    return worst.value;
  }
};
}  // namespace kit
