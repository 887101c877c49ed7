#pragma once
#include "loss/random_problem.hpp"
#include "oracle/kept_oracle.hpp"
/// Random problems of the losses that reproduce published code, and the memory of such a loss.
namespace loss_test {
/// Answers of 0 to `longest` - 1 tokens, vocabularies around the number of columns, masks, absent
/// tokens within and behind the answers.
inline oracle::kept_problem random_kept_problem(std::uint64_t seed, oracle::kept_rule rule,
                                                index_t longest = 8) {
  random_source random(seed);
  oracle::kept_problem p;
  p.rule = rule;
  p.normalised = rule != oracle::kept_rule::position;
  index_t const sequences = 1 + random.below(4);
  std::vector<index_t> teacher_lengths, student_lengths;
  for (index_t b = 0; b < sequences; ++b) {
    teacher_lengths.push_back(random.below(longest));
    student_lengths.push_back(random.below(longest));
    p.pairs.push_back(std::min(teacher_lengths.back(), student_lengths.back()));
  }
  index_t const m = 2 + random.below(90), n = 2 + random.below(90);
  auto const lay_out = [&](std::vector<index_t> const& lengths, oracle::rows_of_sequences& rows,
                           oracle::table& logits, index_t vocabulary, double scale) {
    rows = rows_with_lengths(lengths);
    logits = random_logits(random, rows_needed(rows), vocabulary, scale);
  };
  lay_out(teacher_lengths, p.teacher_rows, p.teacher, m, random.uniform(1, 6));
  lay_out(student_lengths, p.student_rows, p.student, n, random.uniform(1, 6));
  std::size_t length = 0;
  for (auto* const rows : {&p.teacher_rows, &p.student_rows})
    for (auto const& of : *rows) length = std::max(length, of.size());
  for (auto* const rows : {&p.teacher_rows, &p.student_rows})
    for (auto& of : *rows) {
      of.resize(length, -1);
      if (length > 2 && random.below(8) == 0) of[1] = -1;
    }
  if (random.below(4) == 0)
    for (auto* const z : {&p.teacher, &p.student})
      for (double& x : z->values)
        if (random.below(6) == 0) x = masked;
  if (rule == oracle::kept_rule::position) p.k = 1 + random.below(100);
  constexpr double temperatures[] = {0.5, 1, 2};
  p.teacher_temperature = p.student_temperature = temperatures[random.below(3)];
  if (rule != oracle::kept_rule::position) p.student_temperature = temperatures[random.below(3)];
  p.weight = random.uniform(0.2, 3), p.upstream = random.uniform(-3, 30);
  return p;
}

/// The oracle's problem as arguments of a loss, with the memory behind them.
template <mlot::real T, mlot::storage S = T>
struct kept_memory {
  static std::vector<index_t> pairs_from(std::vector<long> const& counts, bool tokens) {
    std::vector<index_t> offset{0}, token;
    for (long const count : counts) {
      for (long i = 0; i < count; ++i) token.push_back(i);
      offset.push_back(index_t(token.size()));
    }
    return tokens ? token : offset;
  }
  row_lists teacher_rows, student_rows;
  std::vector<index_t> pair_offset, pair_token;
  kit::framed<S> teacher, student;
  kit::framed<T> gradient, terms{5};
  kit::framed<index_t> teacher_columns, student_columns;
  kit::framed<T> plan;

  kept_memory(oracle::kept_problem const& p, oracle::kept_result const& expected)
      : teacher_rows(p.teacher_rows),
        student_rows(p.student_rows),
        pair_offset(pairs_from(p.pairs, false)),
        pair_token(pairs_from(p.pairs, true)),
        teacher(index_t(p.teacher.rows), index_t(p.teacher.cols), {1, 3, 1}),
        student(index_t(p.student.rows), index_t(p.student.cols), {1, 3, 1}),
        gradient(index_t(p.student.rows), index_t(p.student.cols), {1, 2, 1}),
        teacher_columns(index_t(expected.teacher_columns.size()), p.width()),
        student_columns(index_t(expected.student_columns.size()), p.width()),
        plan(teacher_rows.count(), student_rows.longest()) {
    auto const store = [](oracle::table const& from, kit::framed<S>& to) {
      kit::fill(to, [&](index_t i, index_t j) {
        return mlot::store_as<S>(mlot::accumulator_t<S>(from(std::size_t(i), std::size_t(j))));
      });
    };
    store(p.teacher, teacher);
    store(p.student, student);
  }
  mlot::token_pairs<> pairs() const {
    auto const count = index_t(pair_token.size());
    return {{pair_offset.data(), index_t(pair_offset.size())},
            {pair_token.data(), count},
            {pair_token.data(), count}};
  }
  /// Everything that the losses name alike.
  void lend_to(auto& loss, oracle::kept_problem const& p) {
    loss.teacher_logits = teacher.matrix();
    loss.student_logits = student.matrix();
    loss.pairs = pairs();
    loss.weight = T(p.weight);
    loss.difference_weight = T(p.difference);
    loss.logarithm_weight = T(p.logarithm);
    loss.transport_weight = T(p.transport);
    loss.upstream = T(p.upstream);
    loss.terms = terms.vector();
    loss.gradient = gradient.matrix();
    loss.teacher_columns = teacher_columns.matrix();
    loss.student_columns = student_columns.matrix();
    loss.plan = plan.matrix();
  }
  template <class Device>
  static mlot::status compute(Device device, auto const& loss) {
    std::vector<std::byte> scratch(mlot::workspace_size(device, loss), std::byte{0xff});
    return kit::in_the_end<Device>(mlot::compute(device, loss, {scratch.data(), scratch.size()}));
  }
  bool outputs_untouched() const {
    return terms.untouched() && gradient.untouched() && teacher_columns.untouched() &&
           student_columns.untouched() && plan.untouched();
  }
};

/// The problem with weight on one part alone: 1 HAD, 2 SL', 3 SD'.
inline oracle::kept_problem only_part(oracle::kept_problem p, int part) {
  p.difference = part == 1, p.logarithm = part == 2, p.transport = part == 3;
  return p;
}
/// Error of the gradient as a share of what is allowed: relative to its norm, and to the summands
/// that cancel in it where probabilities are nearly 0 or 1, or one column is all that is kept.
template <class T>
double gradient_share(kit::framed<T>& gradient, oracle::kept_problem const& p,
                      oracle::kept_result const& expected) {
  long double off = 0, norm = 0;
  for (index_t r = 0; r < gradient.rows(); ++r)
    for (index_t v = 0; v < gradient.cols(); ++v) {
      long double const should = expected.gradient[std::size_t(r)][std::size_t(v)];
      off += (gradient(r, v) - should) * (gradient(r, v) - should);
      norm += should * should;
    }
  double const summands = std::fabs(p.upstream) * p.weight / p.student_temperature *
                          (p.difference + p.logarithm + 0.01 * p.transport);
  double const allowed = sizeof(T) == 4 ? 1e-5 * double(std::sqrt(norm)) + 1e-6 * summands
                                        : 1e-10 * double(std::sqrt(norm)) + 1e-15 * summands;
  return off == 0 ? 0 : double(std::sqrt(off)) / allowed;
}
/// How many ids differ. Those of an absent token's own columns are all missing ones.
inline index_t differing_columns(kit::framed<index_t>& ids, oracle::columns const& expected,
                                 oracle::kept_problem const& p, row_lists const& tokens) {
  index_t off = 0;
  for (index_t b = 0; b < ids.rows(); ++b) {
    bool const absent = p.rule == oracle::kept_rule::position && tokens.view().row(b) < 0;
    for (index_t l = 0; l < ids.cols(); ++l)
      off += ids(b, l) != (absent ? -1 : expected[std::size_t(b)][std::size_t(l)]);
  }
  return off;
}
}  // namespace loss_test
