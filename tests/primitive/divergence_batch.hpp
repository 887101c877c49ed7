#pragma once
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/divergence_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
/// Calls visit(kind, the oracle's name for it) for every kind, its limits among them.
template <class T>
void for_each_divergence(auto visit) {
  using mlot::mixture_weight;
  using oracle::divergence_name;
  visit(mlot::forward_kl(), oracle::divergence_kind{divergence_name::forward_kl});
  visit(mlot::reverse_kl(), oracle::divergence_kind{divergence_name::reverse_kl});
  visit(mlot::total_variation(), oracle::divergence_kind{divergence_name::total_variation});
  visit(mlot::adaptive_kl<T>(), oracle::divergence_kind{divergence_name::adaptive_kl});
  for (double const a : {0., 0.125, 0.5, 0.75, 1.}) {
    auto const named = [&](divergence_name name) { return oracle::divergence_kind{name, a}; };
    auto const student = oracle::divergence_kind{divergence_name::jensen_shannon, 1 - a};
    visit(mlot::jensen_shannon<T>{T(a)}, named(divergence_name::jensen_shannon));
    visit(mlot::jensen_shannon<T>{T(a), mixture_weight::student}, student);
    visit(mlot::skewed_kl<T>{T(a)}, named(divergence_name::skewed_kl));
    visit(mlot::skewed_reverse_kl<T>{T(a)}, named(divergence_name::skewed_reverse_kl));
  }
}

/// What a batch of divergences is made of.
struct divergence_shape {
  std::vector<index_t> teacher_lengths{4, 2, 0, 6}, student_lengths{5, 0, 2, 4};
  index_t m = 29, n = 29;
  double scale = 2, teacher_temperature = 1, temperature = 1;
  bool labelled = true, paired = false, masked = false, absent = true;
  layout where{1, 3, 1};
  std::uint64_t seed = 1;
};

/// Everything varies: lengths (0 included), vocabularies of one width or of two, temperatures,
/// pairs, masks, absent tokens, labels, layouts.
inline divergence_shape random_divergence_shape(std::uint64_t seed) {
  random_source random(seed);
  divergence_shape s;
  s.teacher_lengths.clear(), s.student_lengths.clear();
  for (index_t b = random.below(4); b >= 0; --b) {
    s.teacher_lengths.push_back(random.below(7));
    s.student_lengths.push_back(random.below(7));
  }
  s.m = 1 + random.below(70);
  s.n = random.below(2) == 0 ? s.m : 1 + random.below(70);
  s.scale = random.uniform(0.2, 5);
  constexpr double temperatures[] = {1, 1, 0.5, 2, 3};
  s.temperature = temperatures[random.below(5)];
  s.teacher_temperature = temperatures[random.below(5)];
  s.labelled = random.below(2) == 0;
  s.paired = random.below(3) == 0;
  s.masked = random.below(3) == 0;
  s.absent = random.below(3) == 0;
  s.where = every_layout[random.below(3)];
  s.seed = random.bits();
  return s;
}

/// Everything that a divergence reads and writes, and the oracle's answer to it.
template <class T, class Teacher = T, class S = Teacher, class G = S>
struct divergence_batch {
  divergence_shape shape;
  kit::tokens teacher_tokens, student_tokens;
  framed<Teacher> teacher;
  framed<S> student;
  framed<G> gradient;
  framed<T> out, cross_entropy, weight;
  framed<index_t> label;
  std::vector<index_t> pair_offset{0}, pair_teacher, pair_student;
  T cross_entropy_weight = T(0.75);

  explicit divergence_batch(divergence_shape const& of)
      : shape(of),
        teacher_tokens(of.teacher_lengths, of.absent),
        student_tokens(of.student_lengths, of.absent),
        teacher(teacher_tokens.rows, of.m, of.where),
        student(student_tokens.rows, of.n, of.where),
        gradient(student_tokens.rows, of.n, of.where),
        out(student_tokens.sequences()),
        cross_entropy(student_tokens.sequences()),
        weight(student_tokens.sequences()),
        label(student_tokens.rows) {
    random_source random(of.seed);
    auto const logits = [&](auto& z, kit::tokens const& tokens) {
      for (index_t const r : tokens.row)
        for (index_t v = 0; r >= 0 && v < z.cols(); ++v) {
          using stored = std::remove_cvref_t<decltype(z(r, v))>;
          bool const masked = of.masked && random.below(6) == 0;
          z(r, v) = mlot::store_as<stored>(
              T(masked ? -mlot::infinity<double> : of.scale * random.normal()));
        }
    };
    logits(teacher, teacher_tokens);
    logits(student, student_tokens);
    fill(weight, [&](index_t, index_t) { return T(random.uniform(-1, 2)); });
    for (index_t const r : student_tokens.row)
      if (r >= 0) label(r) = random.below(4) == 0 ? -100 : random.below(of.n);
    for (std::size_t b = 0; b < of.student_lengths.size(); ++b) {
      for (index_t j = 0; j < of.student_lengths[b]; ++j)
        for (index_t n = random.below(3); n > 0 && of.teacher_lengths[b] > 0; --n) {
          pair_teacher.push_back(random.below(of.teacher_lengths[b]));
          pair_student.push_back(j);
        }
      pair_offset.push_back(index_t(pair_student.size()));
    }
  }
  template <class Kind>
  auto primitive(Kind kind) {
    mlot::divergence<T, Kind, mlot::dense_teacher<T, Teacher, mlot::host_memory>, S, G,
                     mlot::host_memory>
        p{.teacher = {teacher.matrix(), teacher_tokens.view(), T(shape.teacher_temperature)},
          .student_logits = student.matrix(),
          .student_tokens = student_tokens.view(),
          .temperature = T(shape.temperature),
          .kind = kind,
          .out = out.vector(),
          .cross_entropy = cross_entropy.vector(),
          .weight = mlot::host::vector<T const>(weight.vector()),
          .cross_entropy_weight = cross_entropy_weight,
          .gradient = gradient.matrix()};
    if (shape.labelled) p.labels = {label.vector()};
    if (shape.paired)
      p.pairs = {{pair_offset.data(), index_t(pair_offset.size())},
                 {pair_teacher.data(), index_t(pair_teacher.size())},
                 {pair_student.data(), index_t(pair_student.size())}};
    return p;
  }
  void clear() {
    out.clear();
    cross_entropy.clear();
    gradient.clear();
  }
  bool exactly_written() const {
    return out.exactly_written() && cross_entropy.exactly_written() && gradient.exactly_written();
  }

  /// A row as numbers, at least `width` ids; empty for an absent token.
  template <class Logits>
  static oracle::vector row(Logits& z, index_t r, index_t width) {
    if (r < 0) return {};
    oracle::vector all(std::size_t(std::max(width, z.cols())), -oracle::infinity);
    for (index_t v = 0; v < z.cols(); ++v) all[std::size_t(v)] = mlot::load_as<T>(z(r, v));
    return all;
  }
  static bool exists(oracle::vector const& z) { return oracle::maximum(z) > -oracle::infinity; }

  struct expectation {
    oracle::vector value, cross_entropy;
    oracle::matrix gradient, magnitude;  ///< [row][id]
    oracle::number largest_log = 0, margin = 1;
    std::vector<index_t> pairs;
  };
  expectation expected(oracle::divergence_kind kind) {
    using std::size_t;
    return expected_of_pairs([&](expectation& all, size_t b, index_t t, index_t r) {
      auto const zt = row(teacher, t, shape.n), zs = row(student, r, shape.m);
      if (!exists(zt) || !exists(zs)) return;
      oracle::number const tau_t = T(shape.teacher_temperature), tau = T(shape.temperature);
      auto const q = oracle::softmax(zt, tau_t), p = oracle::softmax(zs, tau);
      for (auto const& logs : {oracle::log_softmax(zt, tau_t), oracle::log_softmax(zs, tau)})
        for (auto const l : logs)
          if (l > -oracle::infinity) all.largest_log = std::max(all.largest_log, -l);
      if (kind.name == oracle::divergence_name::adaptive_kl)
        oracle::adaptive_share(q, p, &all.margin);
      ++all.pairs[b];
      all.value[b] += oracle::divergence(kind, q, p);
      auto const g = oracle::divergence_logit_gradient(kind, q, p, tau);
      for (size_t v = 0; v < size_t(shape.n); ++v) {
        all.gradient[size_t(r)][v] += weight(index_t(b)) * g.gradient[v];
        all.magnitude[size_t(r)][v] += std::fabs(weight(index_t(b))) * g.magnitude[v];
      }
    });
  }
  /// add(all, sequence, teacher row, student row) of every pair, and cross-entropy.
  expectation expected_of_pairs(auto add) {
    using std::size_t;
    auto const count = size_t(student_tokens.sequences());
    expectation all;
    all.value.assign(count, 0), all.cross_entropy.assign(count, 0), all.pairs.assign(count, 0);
    all.gradient.assign(size_t(student_tokens.rows), oracle::vector(size_t(shape.n), 0));
    all.magnitude = all.gradient;
    auto const pair = [&](size_t b, index_t t, index_t s) {
      add(all, b, teacher_tokens.row[size_t(teacher_tokens.offset[b] + t)],
          student_tokens.row[size_t(student_tokens.offset[b] + s)]);
    };
    for (size_t b = 0; b < count; ++b) {
      if (shape.paired) {
        for (index_t i = pair_offset[b]; i < pair_offset[b + 1]; ++i)
          pair(b, pair_teacher[size_t(i)], pair_student[size_t(i)]);
      } else {
        for (index_t t = 0; t < std::min(shape.teacher_lengths[b], shape.student_lengths[b]); ++t)
          pair(b, t, t);
      }
      for (index_t i = student_tokens.offset[b]; i < student_tokens.offset[b + 1]; ++i) {
        index_t const r = student_tokens.row[size_t(i)];
        if (!shape.labelled || r < 0 || label(r) == -100) continue;
        auto const z = row(student, r, 0);
        all.cross_entropy[b] += oracle::cross_entropy(z, size_t(label(r)));
        auto const p = oracle::softmax(z, 1);
        oracle::number const w = cross_entropy_weight;
        for (size_t v = 0; v < size_t(shape.n); ++v) {
          oracle::number const hit = index_t(v) == label(r) && z[v] > -oracle::infinity;
          all.gradient[size_t(r)][v] += w * (p[v] - hit);
          all.magnitude[size_t(r)][v] += std::fabs(w) * (p[v] + hit);
        }
      }
    }
    return all;
  }

  /// Errors in units of what the contract allows; what is stored in two bytes may differ by an eps
  /// of that type more.
  void check(oracle::divergence_kind kind) { check_against(expected(kind)); }
  void check_against(expectation const& should) {
    REQUIRE(exactly_written());
    // A cumulative sum that hits 1/2 splits the vocabulary by rounding.
    if (should.margin < (std::is_same_v<T, float> ? 1e-5L : 1e-12L)) return;
    oracle::number const l = 1 + should.largest_log;
    oracle::number const unit = (std::is_same_v<T, float> ? 4e-7L : 1e-15L) * l;
    double const eps = mlot::real<G> ? 0 : std::is_same_v<G, mlot::half> ? 0x1p-10 : 0x1p-7;
    double const least = std::is_same_v<G, mlot::half> ? 0x1p-14 : 0x1p-126;
    largest_error value, entropy, stored;
    for (index_t b = 0; b < out.cols(); ++b) {
      auto const at = std::size_t(b);
      if (oracle::number const x = out(b); x != should.value[at])
        value.add(std::fabs(x - should.value[at]) /
                  (unit * std::max<oracle::number>(1, oracle::number(should.pairs[at]))));
      if (oracle::number const x = cross_entropy(b); x != should.cross_entropy[at])
        entropy.add(std::fabs(x - should.cross_entropy[at]) / (1 + should.cross_entropy[at]));
    }
    oracle::number off = 0, norm = 0;
    index_t wrong_zeros = 0;
    for (index_t r = 0; r < gradient.rows(); ++r)
      for (index_t v = 0; v < gradient.cols(); ++v) {
        auto const& row = should.gradient[std::size_t(r)];
        oracle::number const wanted = row[std::size_t(v)];
        oracle::number const size = should.magnitude[std::size_t(r)][std::size_t(v)];
        oracle::number const is = mlot::load_as<T>(gradient(r, v));
        off += (is - wanted) * (is - wanted);
        norm += size * size;
        wrong_zeros += size == 0 && is != 0;
        stored.add(std::fabs(is - wanted) /
                   (eps * std::max<oracle::number>(size, least) + unit * size + 1e-30L));
      }
    CHECK(wrong_zeros == 0);
    CHECK(value.value <= 1);
    CHECK(entropy.value <= (std::is_same_v<T, float> ? 1e-6 : 1e-13));
    if constexpr (mlot::real<G>)
      CHECK(std::sqrt(off) <= unit * std::sqrt(norm));
    else
      CHECK(stored.value <= 1);
  }
};
}  // namespace kit
