#pragma once
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/ranked_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
/// One side of ranked_difference, with what vocabulary_mass would find.
template <class T, class S>
struct ranked_side {
  kit::tokens tokens;
  framed<S> logits;
  T temperature;
  framed<T> maximum{tokens.count()}, partition{tokens.count()};

  ranked_side(std::vector<index_t> const& lengths, index_t vocabulary, T tau, layout where)
      : tokens(lengths, true), logits(tokens.rows, vocabulary, where), temperature(tau) {}
  void derive() {
    for (index_t i = 0; i < tokens.count(); ++i) {
      maximum(i) = T(oracle::maximum(row(i)));
      partition(i) = T(oracle::partition(row(i), temperature));
    }
  }
  oracle::vector row(index_t i) {
    oracle::vector z(std::size_t(logits.cols()), -oracle::infinity);
    index_t const r = tokens.row[std::size_t(i)];
    for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
      z[std::size_t(v)] = mlot::load_as<T>(logits(r, v));
    return z;
  }
  oracle::vector probabilities(index_t i) { return oracle::softmax(row(i), temperature); }
  mlot::token_softmax<T, S, mlot::host_memory> view() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .maximum = maximum.vector(),
            .partition = partition.vector(),
            .temperature = temperature};
  }
};

/// What a batch is like, apart from its numbers.
struct ranked_shape {
  index_t m = 9, n = 7;
  std::vector<index_t> teacher{4, 0, 5, 1, 3}, student{3, 2, 7, 0, 3};
  double scale = 2, step = 0;  ///< of the logits; a step above 0 makes ties
  double teacher_temperature = 1, temperature = 1;
  index_t k = 0;
  bool mean = true, given_pairs = false, masks = true;
  std::uint64_t seed = 1;
};

template <class T, class S, class G = S>
struct ranked_batch {
  ranked_shape shape;
  ranked_side<T, S> teacher, student;
  framed<index_t> label{student.tokens.rows};
  framed<T> label_partition{student.tokens.count()};
  framed<T> out{student.tokens.sequences()}, weight{student.tokens.sequences()};
  framed<G> gradient;
  T cross_entropy_weight = T(0.75);
  std::vector<index_t> pair_offset{0}, pair_teacher, pair_student;

  explicit ranked_batch(ranked_shape const& of, layout where = {1, 3, 1})
      : shape(of),
        teacher(of.teacher, of.m, T(of.teacher_temperature), where),
        student(of.student, of.n, T(of.temperature), where),
        gradient(student.tokens.rows, of.n, where) {
    random_source random(of.seed);
    for (auto* const side : {&teacher, &student})
      for (index_t const r : side->tokens.row)
        for (index_t v = 0; r >= 0 && v < side->logits.cols(); ++v) {
          double z = of.scale * random.normal();
          if (of.step > 0) z = of.step * std::round(z / of.step);
          bool const masked = of.masks && (random.below(9) == 0 || r == 2);
          side->logits(r, v) = mlot::store_as<S>(masked ? T(-mlot::infinity<T>) : T(z));
        }
    for (index_t const r : student.tokens.row)
      if (r >= 0) label(r) = r % 3 == 2 ? -100 : random.below(of.n);
    fill(weight, [](index_t, index_t b) { return T(1) / T(1 + b) - T(0.3); });
    for (index_t b = 0; b < student.tokens.sequences(); ++b) {
      index_t const rows = teacher.tokens.view().count(b);
      for (index_t s = 0; s < student.tokens.view().count(b); ++s)
        for (index_t n = rows > 0 ? random.below(4) : 0; n > 0; --n) {
          pair_student.push_back(s);
          pair_teacher.push_back(random.below(rows));
        }
      pair_offset.push_back(index_t(pair_student.size()));
    }
    derive();
  }
  void derive() {
    teacher.derive();
    student.derive();
    for (index_t j = 0; j < student.tokens.count(); ++j)
      label_partition(j) = T(oracle::partition(student.row(j), 1));
  }
  auto primitive() {
    mlot::ranked_difference<T, S, S, G, mlot::host_memory> p{
        .teacher = teacher.view(),
        .student = student.view(),
        .k = shape.k,
        .mean_over_pairs = shape.mean,
        .out = out.vector(),
        .weight = mlot::host::vector<T const>(weight.vector()),
        .labels = {label.vector()},
        .label_partition = label_partition.vector(),
        .cross_entropy_weight = cross_entropy_weight,
        .gradient = gradient.matrix()};
    if (shape.given_pairs)
      p.pairs = {{pair_offset.data(), index_t(pair_offset.size())},
                 {pair_teacher.data(), index_t(pair_teacher.size())},
                 {pair_student.data(), index_t(pair_student.size())}};
    return p;
  }
  /// (teacher token, student token) of all of sequence b's pairs, in the batch.
  oracle::pairs pairs_of(index_t b) {
    index_t const i = teacher.tokens.offset[std::size_t(b)],
                  j = student.tokens.offset[std::size_t(b)];
    oracle::pairs all;
    if (!shape.given_pairs)
      all = oracle::by_position(std::size_t(teacher.tokens.view().count(b)),
                                std::size_t(student.tokens.view().count(b)));
    else
      for (index_t n = pair_offset[std::size_t(b)]; n < pair_offset[std::size_t(b) + 1]; ++n)
        all.emplace_back(pair_teacher[std::size_t(n)], pair_student[std::size_t(n)]);
    for (auto& [t, s] : all) t += std::size_t(i), s += std::size_t(j);
    return all;
  }
  struct reference {
    oracle::vector out;
    oracle::matrix gradient, summands;  ///< of an entry: the sum of its parts' absolute values
  };
  reference expected() {
    auto const size = [](index_t n) { return std::size_t(n); };
    oracle::matrix const zero(size(student.tokens.rows), oracle::vector(size(shape.n), 0));
    reference all{{}, zero, zero};
    for (index_t b = 0; b < student.tokens.sequences(); ++b) {
      auto const aligned = pairs_of(b);
      oracle::number const divisor = shape.mean && !aligned.empty() ? aligned.size() : 1;
      oracle::number sum = 0;
      for (auto const& [i, j] : aligned) {
        oracle::vector const s = student.probabilities(index_t(j));
        auto const one =
            oracle::ranked_difference(teacher.probabilities(index_t(i)), s, size(shape.k));
        sum += one.difference / divisor;
        index_t const r = student.tokens.row[j];
        if (r < 0) continue;
        oracle::vector const g = oracle::through_softmax(s, one.h, shape.temperature);
        for (std::size_t v = 0; v < g.size(); ++v) {
          oracle::number const by = weight(b) / divisor;
          all.gradient[size(r)][v] += by * g[v];
          all.summands[size(r)][v] += 2 * std::fabs(by) * s[v] / shape.temperature;
        }
      }
      all.out.push_back(sum);
    }
    for (index_t j = 0; j < student.tokens.count(); ++j) {
      index_t const r = student.tokens.row[size(j)];
      if (r < 0 || label(r) == -100) continue;
      auto const g = oracle::logit_gradient(student.row(j), {}, label(r), cross_entropy_weight);
      auto const q = oracle::softmax(student.row(j), 1);
      for (std::size_t v = 0; v < g.size(); ++v) {
        all.gradient[size(r)][v] += g[v];
        all.summands[size(r)][v] +=
            oracle::number(cross_entropy_weight) * (q[v] + (index_t(v) == label(r) ? 1 : 0));
      }
    }
    return all;
  }
};

/// Runs a batch and compares everything that it wrote with the oracle.
template <class Device, class T, class S, class G>
void check_ranked(ranked_batch<T, S, G>& all) {
  succeeds<Device>(all.primitive());
  REQUIRE(all.out.exactly_written());
  REQUIRE(all.gradient.exactly_written());
  auto const should = all.expected();
  largest_error value, entry;
  for (index_t b = 0; b < all.out.cols(); ++b) {
    auto const pairs = oracle::number(all.shape.mean ? 1 : all.pairs_of(b).size());
    if (pairs > 0) value.absolute(all.out(b) / pairs, should.out[std::size_t(b)] / pairs);
    if (pairs == 0) CHECK(all.out(b) == 0);
  }
  CHECK(value.value <= (std::is_same_v<T, float> ? 1e-6 : 1e-14));
  double const eps = std::is_same_v<G, mlot::half> ? 0x1p-10 : 0x1p-7;
  // The smallest normal half; of bfloat16 what a float probability that counts as 0 may leave.
  double const least = std::is_same_v<G, mlot::half> ? 0x1p-14 : 0x1p-126 / eps;
  oracle::number error = 0, norm = 0;
  for (index_t r = 0; r < all.gradient.rows(); ++r)
    for (index_t v = 0; v < all.gradient.cols(); ++v) {
      oracle::number const is = mlot::load_as<T>(all.gradient(r, v));
      oracle::number const difference = is - should.gradient[std::size_t(r)][std::size_t(v)];
      oracle::number const summands = should.summands[std::size_t(r)][std::size_t(v)];
      error += difference * difference;
      norm += summands * summands;
      entry.add(std::fabs(difference) / (eps * std::max<oracle::number>(summands, least)));
    }
  if constexpr (mlot::real<G>)
    CHECK(std::sqrt(error) <= (std::is_same_v<T, float> ? 2e-6 : 1e-13) * std::sqrt(norm));
  else
    CHECK(entry.value <= 3);
}
}  // namespace kit
