#pragma once
#include <algorithm>
#include <limits>

#include "loss/owned_loss.hpp"
#include "random.hpp"
namespace loss_test {
inline constexpr double masked = -std::numeric_limits<double>::infinity();

/// Normally distributed logits, as float holds them.
inline oracle::table random_logits(random_source& random, index_t rows, index_t cols,
                                   double scale) {
  auto z = oracle::make_table(std::size_t(rows), std::size_t(cols));
  for (double& x : z.values) x = double(float(scale * random.normal()));
  return z;
}
/// Lengths as rows: before, between and behind the sequences lie rows of no token.
inline oracle::rows_of_sequences rows_with_lengths(std::vector<index_t> const& lengths) {
  oracle::rows_of_sequences rows;
  long next = 1;
  for (index_t const length : lengths) {
    rows.emplace_back();
    for (index_t t = 0; t < length; ++t) rows.back().push_back(next++);
    ++next;
  }
  return rows;
}
inline index_t rows_needed(oracle::rows_of_sequences const& rows) {
  index_t tokens = 1;
  for (auto const& of : rows) tokens += index_t(of.size()) + 1;
  return tokens;
}
inline std::vector<long> random_labels(random_source& random, index_t rows, index_t vocabulary) {
  std::vector<long> labels;
  for (index_t r = 0; r < rows; ++r)
    labels.push_back(random.below(5) == 0 ? -100 : long(random.below(vocabulary)));
  return labels;
}

/// A batch of these lengths with logits of unit scale, labels with holes, the paper's options and
/// k = 9.
inline oracle::loss_problem batch_of(std::uint64_t seed,
                                     std::vector<index_t> const& teacher_lengths,
                                     std::vector<index_t> const& student_lengths, index_t m,
                                     index_t n) {
  random_source random(seed);
  oracle::loss_problem p;
  p.teacher_rows = rows_with_lengths(teacher_lengths);
  p.student_rows = rows_with_lengths(student_lengths);
  p.teacher = random_logits(random, rows_needed(p.teacher_rows), m, 2);
  p.student = random_logits(random, rows_needed(p.student_rows), n, 2);
  p.labels = random_labels(random, index_t(p.student.rows), n);
  p.k = 9;
  return p;
}
/// Three sequences, one of them empty on the student's side.
inline oracle::loss_problem some_batch(std::uint64_t seed = 1) {
  return batch_of(seed, {4, 2, 6}, {5, 0, 3}, 23, 19);
}

/// Sorted by student token, with tokens in several pairs and in none.
inline std::vector<oracle::token_pair> random_pairs(random_source& random, index_t teacher_tokens,
                                                    index_t student_tokens) {
  std::vector<oracle::token_pair> pairs;
  for (index_t j = 0; j < student_tokens; ++j)
    for (index_t n = random.below(3); n > 0 && teacher_tokens > 0; --n)
      pairs.emplace_back(random.below(teacher_tokens), j);
  return pairs;
}

/// Everything varies: lengths (0 included), vocabularies around k, temperatures, weights, pairs,
/// masks, absent tokens, labels, reductions.
inline oracle::loss_problem random_problem(std::uint64_t seed) {
  random_source random(seed);
  oracle::loss_problem p;
  std::vector<index_t> teacher_lengths, student_lengths;
  for (index_t b = random.below(4); b >= 0; --b) {
    teacher_lengths.push_back(random.below(10));
    student_lengths.push_back(random.below(10));
  }
  index_t const m = 2 + random.below(50), n = 2 + random.below(50);
  double const scale = random.uniform(0.5, 4);
  p = batch_of(random.bits(), teacher_lengths, student_lengths, m, n);
  for (double& x : p.teacher.values) x = double(float(scale * x));
  for (double& x : p.student.values) x = double(float(scale * x));
  if (random.below(2) == 0) p.labels.clear();
  if (random.below(4) == 0)  // masks; no label is hidden
    for (auto* const z : {&p.teacher, &p.student})
      for (std::size_t r = 0; r < z->rows; ++r)
        for (std::size_t v = 0; v < z->cols; ++v)
          if (random.below(6) == 0 &&
              (z == &p.teacher || p.labels.empty() || p.labels[r] != long(v)))
            (*z)(r, v) = masked;
  if (random.below(4) == 0)  // absent tokens
    for (auto* const rows : {&p.teacher_rows, &p.student_rows})
      for (auto& of : *rows)
        if (of.size() > 2) of[of.size() - 1] = -1;
  if (random.below(3) == 0) {
    p.pairs.emplace();
    for (std::size_t b = 0; b < p.student_rows.size(); ++b)
      p.pairs->push_back(random_pairs(random, teacher_lengths[b], student_lengths[b]));
  }
  p.k = 1 + random.below(60);
  p.iterations = 1 + random.below(25);
  constexpr double temperatures[] = {0.5, 1, 2, 4};
  p.temperature = p.teacher_temperature = temperatures[random.below(4)];
  if (random.below(3) == 0) p.teacher_temperature = temperatures[random.below(4)];
  p.transport_temperature = temperatures[random.below(4)];
  p.epsilon = random.uniform(0.05, 0.5);
  p.alpha = random.uniform(-1, 2), p.beta = random.uniform(0, 2), p.gamma = random.uniform(0, 2);
  p.own_transport_ranking = random.below(3) == 0;
  p.plan_constant = random.below(3) == 0;
  if (random.below(2) == 0) p.divisor = random.uniform(1, 40);
  if (random.below(2) == 0) p.upstream = random.uniform(-3, 300);
  p.token_level = !p.pairs && random.below(3) == 0;
  if (random.below(3) == 0) p.holistic = random.uniform(0, 2);
  return p;
}
/// The same batch with logits as Teacher and Student hold them.
template <mlot::storage Teacher, mlot::storage Student>
oracle::loss_problem stored_as(oracle::loss_problem p) {
  auto const round = []<class S>(oracle::table& z, S) {
    for (double& x : z.values) {
      using wide = mlot::accumulator_t<S>;
      x = double(mlot::load_as<wide>(mlot::store_as<S>(wide(x))));
    }
  };
  round(p.teacher, Teacher());
  round(p.student, Student());
  return p;
}
}  // namespace loss_test
