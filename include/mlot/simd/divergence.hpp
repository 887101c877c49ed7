#pragma once
#include <algorithm>

#include "mlot/scalar/divergence.hpp"
#include "mlot/simd/adaptive_share.hpp"
#include "mlot/simd/block_output.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/log_probabilities.hpp"
#include "mlot/simd/parallel.hpp"
#include "mlot/simd/vocabulary_mass.hpp"
/// A token at a time: the sums over its row and the teacher's, which come from memory for that;
/// then value and <p, h>; then the gradient, block by block, past the caches. What the last two
/// need is made again from the logits, which the caches still have.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::compared_tokens;
using scalar::dense_divergence;
using scalar::unusable_logit;
using scalar::write_divergences;

template <class Batch, class Primitive>
struct divergence_pass;
template <class Batch, class T, class Kind, storage Teacher, storage S, storage G>
struct divergence_pass<Batch, dense_divergence<T, Kind, Teacher, S, G>> {
  using primitive = dense_divergence<T, Kind, Teacher, S, G>;
  using rows_of_pair = compared_rows<Batch, Kind, Teacher, S>;
  primitive const& p;
  compared_tokens<primitive> const& all;
  mass_pass<Batch, T, Teacher> const& teacher_pass;
  mass_pass<Batch, T, S> const& student_pass;
  vector_view<T, host_memory> const& value;    ///< (pairs)
  vector_view<T, host_memory> const& entropy;  ///< (student tokens) cross-entropy
  bool streams;

  rows_of_pair rows(index_t token, index_t pair) const {
    return {{p.teacher.logits, all.pairs.teacher_row(pair), all.teacher(pair)},
            {p.student_logits, p.student_tokens.row(token), all.student(token)}};
  }

  /// A pair's value, and what its gradient needs of the whole row.
  void sum(rows_of_pair const& row, index_t pair) const {
    Kind const kind = all.kind(pair);
    Batch value_sum(T(0)), slope_sum(T(0)), mass_sum(T(0));
    row.for_blocks([&](index_t begin, index_t end, auto const& at) {
      Batch partial(T(0)), slope(T(0)), mass(T(0));
      for_lanes<Batch>(end - begin, [&, kind, at](index_t v, auto which) {
        probability_pair<Batch> const x = at(v, which);
        divergence_term<Batch> const term = kind.term(x);
        auto const counts = term.slope < Batch(infinity<T>);
        partial += term.value;
        slope = add_where(counts, slope, term.slope);
        mass = add_where(counts, mass, x.p);
      });
      value_sum += partial, slope_sum += slope, mass_sum += mass;
    });
    value(pair) = lane_sum(value_sum);
    T const all_mass = lane_sum(mass_sum);
    all.centre(pair) = all_mass > T(0) ? T(lane_sum(slope_sum) / all_mass) : T(0);
  }

  /// Adds a pair's gradient in columns begin to end to `to`.
  template <class At>
  void add_gradient(At const& at, Kind const& kind, index_t pair, index_t count, T weight,
                    T* to) const {
    Batch const minus_centre(-all.centre(pair)), scale(weight);
    for_lanes<Batch>(count, [=](index_t v, auto which) {
      probability_pair<Batch> const x = at(v, which);
      Batch const slope = kind.term(x).slope;
      auto const counts = (slope < Batch(infinity<T>)) & (x.log_p > Batch(-infinity<T>));
      Batch const centred = multiply_add(x.p, minus_centre, slope);
      Batch const sum = Batch::load_aligned(to + v);
      add_where(counts, sum, product(scale, centred)).store_aligned(to + v);
    });
  }
  void write_gradient(index_t b, index_t token) const {
    index_t const r = p.student_tokens.row(token), vocabulary = p.student_logits.cols;
    index_t const first = all.pairs.first_pair(token), last = all.pairs.first_pair(token + 1);
    index_t const label = all.unmasked_label(token);
    T const weight = p.weight(b) / p.temperature, coefficient = all.label_coefficient(token);
    S const* const z = &p.student_logits(r, 0);
    G* const out = &p.gradient(r, 0);
    alignas(64) T sums[block_columns];
    index_t const both = (std::min)(vocabulary, p.teacher.logits.cols);
    for (index_t begin = 0, count; begin < vocabulary; begin += count) {
      count = (std::min)(block_columns, (begin < both ? both : vocabulary) - begin);
      if (coefficient != T(0)) {
        Batch const times(coefficient), top(all.student_maximum(token));
        for_lanes<Batch>(count, [=, &sums](index_t v, auto which) {
          Batch const logit = load_lanes<Batch>(z + begin + v, which, -infinity<T>);
          product(times, exponential(Batch(logit - top))).store_aligned(sums + v);
        });
      } else {
        std::fill_n(sums, block_columns, T(0));
      }
      for (index_t n = first; n < last; ++n)
        if (all.compares(token, n))
          add_gradient(rows(token, n).at(begin), all.kind(n), n, count, weight, sums);
      if (begin <= label && label < begin + count) sums[label - begin] -= p.cross_entropy_weight;
      write_block<Batch>(out + begin, sums, count, streams);
    }
  }

  /// False where one of the rows cannot be used; then `bad_pair` may say which teacher's.
  bool run(index_t b, index_t token, index_t& bad_pair) const {
    index_t const first = all.pairs.first_pair(token), last = all.pairs.first_pair(token + 1);
    bool usable = student_pass.sum(token, {});
    for (index_t n = first; n < last; ++n)
      if (!teacher_pass.sum(n, {})) {
        bad_pair = (std::min)(bad_pair, n);
        usable = false;
      }
    if (!usable) return false;
    for (index_t n = first; n < last; ++n) {
      value(n) = T(0);
      if (!all.compares(token, n)) continue;
      rows_of_pair const row = rows(token, n);
      if constexpr (adaptive_kind<Kind>) all.forward_share(n) = adaptive_share(row);
      sum(row, n);
    }
    entropy(token) = all.cross_entropy(token);
    if (p.backward() && p.student_tokens.row(token) >= 0) write_gradient(b, token);
    return true;
  }
};

/// What the simd device keeps beside compared_tokens.
template <class Primitive>
struct divergence_space;
template <real T, class Kind, storage Teacher, storage S, storage G>
struct divergence_space<dense_divergence<T, Kind, Teacher, S, G>> {
  compared_tokens<dense_divergence<T, Kind, Teacher, S, G>> all;
  mass_scratch<T> teacher, student;
  vector_view<T, host_memory> value, entropy;
  divergence_space(dense_divergence<T, Kind, Teacher, S, G> const& p, arena<host_memory>& space)
      : all(p, space),
        teacher(all.teacher_sums(), space),
        student(all.student_sums(), space),
        value(space.vector<T>(p.most_pairs())),
        entropy(space.vector<T>(p.student_tokens.tokens())) {}
};

template <class Arch, has_lanes T, class Kind, storage Teacher, storage S, storage G>
std::size_t scratch_size(device<Arch>, dense_divergence<T, Kind, Teacher, S, G> const& p) {
  arena<host_memory> space;
  divergence_space<dense_divergence<T, Kind, Teacher, S, G>>(p, space);
  return (std::max)(space.bytes(), scratch_size(scalar::device{}, p));
}

template <class Arch, has_lanes T, class Kind, storage Teacher, storage S, storage G>
status run(device<Arch>, dense_divergence<T, Kind, Teacher, S, G> const& p,
           workspace<host_memory> scratch) {
  using primitive = dense_divergence<T, Kind, Teacher, S, G>;
  using batch = lanes_of<T, Arch>;
  if (p.teacher.logits.col_stride != 1 || p.student_logits.col_stride != 1 ||
      (p.backward() && p.gradient.col_stride != 1))
    return run_strided(p, scratch);
  arena<host_memory> space(scratch);
  divergence_space<primitive> own(p, space);
  own.all.list_pairs();
  auto const teacher_sums = own.all.teacher_sums();
  auto const student_sums = own.all.student_sums();
  index_t const tokens = p.student_tokens.tokens(), vocabulary = p.student_logits.cols;
  bool const in_place = static_cast<void const*>(p.gradient.data) == p.student_logits.data;
  bool const streams = p.backward() && !in_place &&
                       std::size_t(tokens * vocabulary) * sizeof(G) >= least_streamed_output;
  mass_pass<batch, T, Teacher> const teacher_pass{teacher_sums, own.teacher};
  mass_pass<batch, T, S> const student_pass{student_sums, own.student};
  divergence_pass<batch, primitive> const pass{p,         own.all,     teacher_pass, student_pass,
                                               own.value, own.entropy, streams};
  index_t const pairs = own.all.pairs.teacher_row.size;
  index_t bad_token = tokens, bad_pair = pairs;  // the first of either
  index_t const work = tokens * (std::max)(vocabulary, p.teacher.logits.cols);
  index_t const chunk = (std::max<index_t>)(1, tokens / (8 * max_threads()));
  parallel_for((tokens + chunk - 1) / chunk, 1, work, [&](index_t part) {
    index_t b = segment_of(p.student_tokens.offset, part * chunk);
    for (index_t i = part * chunk; i < (std::min)((part + 1) * chunk, tokens); ++i) {
      while (i >= p.student_tokens.offset(b + 1)) ++b;
      index_t pair = pairs;
      if (pass.run(b, i, pair)) continue;
#ifdef _OPENMP
#  pragma omp critical(mlot_divergence)
#endif
      {
        bad_pair = (std::min)(bad_pair, pair);
        if (pair == pairs) bad_token = (std::min)(bad_token, i);
      }
    }
    if (streams) finish_streaming();
  });
  if (bad_pair < pairs)
    return own.all.named(unusable_logit<T>(p.teacher.logits, own.all.pairs.teacher_row(bad_pair)),
                         "divergence.teacher.logits");
  if (bad_token < tokens)
    return own.all.named(unusable_logit<T>(p.student_logits, p.student_tokens.row(bad_token)),
                         "divergence.student_logits");
  write_divergences(p, own.all.pairs, own.value, own.entropy);
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
