#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/primitive/ranked_difference.hpp"
#include "mlot/scalar/logit_gradient.hpp"
namespace mlot::MLOT_SET::scalar {
/// Calls visit(i) for the teacher token of each pair of student token j, of sequence b.
template <class Visit>
void for_each_teacher_of(token_pairs<host_memory> const& pairs,
                         token_rows<host_memory> const& teacher,
                         token_rows<host_memory> const& student, index_t b, index_t j,
                         Visit visit) {
  index_t const place = j - student.first(b);
  if (pairs.by_position()) {
    if (place < teacher.count(b)) visit(teacher.first(b) + place);
    return;
  }
  index_t low = pairs.offset(b), high = pairs.offset(b + 1);  // sorted by student token
  for (index_t n = high - low; n > 0; n = high - low) {
    index_t const middle = low + n / 2;
    if (pairs.student(middle) < place)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < pairs.offset(b + 1) && pairs.student(low) == place; ++low)
    visit(teacher.first(b) + pairs.teacher(low));
}

/// One token of either model, sorted.
template <real T>
struct ranked_tokens {
  vector_view<T, host_memory> teacher;        ///< (m) by rank
  vector_view<T, host_memory> student;        ///< (n) by id
  vector_view<index_t, host_memory> by_rank;  ///< (n) the student's ids
  vector_view<T, host_memory> direction;      ///< (n) by id: h

  ranked_tokens(index_t m, index_t n, arena<host_memory>& space)
      : teacher(space.vector<T>(m)),
        student(space.vector<T>(n)),
        by_rank(space.vector<index_t>(n)),
        direction(space.vector<T>(n)) {}
  template <storage S>
  void rank_teacher(token_softmax<T, S, host_memory> const& of, index_t i) const {
    for (index_t v = 0; v < teacher.size; ++v) teacher(v) = of.probability(i, v);
    std::sort(teacher.data, teacher.data + teacher.size,
              [](T const& p, T const& q) { return p > q; });
  }
  template <storage S>
  void rank_student(token_softmax<T, S, host_memory> const& of, index_t j) const {
    for (index_t v = 0; v < student.size; ++v) {
      student(v) = of.probability(j, v);
      by_rank(v) = v;
      direction(v) = T(0);
    }
    std::sort(by_rank.data, by_rank.data + by_rank.size, [this](index_t v, index_t w) {
      return student(v) > student(w) || (student(v) == student(w) && v < w);
    });
  }
};

template <real T, storage Teacher, storage Student, storage Gradient>
std::size_t scratch_size(device,
                         ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p) {
  arena<host_memory> space;
  ranked_tokens<T>(p.teacher.logits.cols, p.student.logits.cols, space);
  return space.bytes();
}

/// Student token j's row of the gradient, from its probabilities and directions.
template <real T, storage Teacher, storage Student, storage Gradient>
void write_gradient(ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p,
                    ranked_tokens<T> const& token, index_t b, index_t j) {
  index_t const r = p.student.tokens.row(j), n = p.student.logits.cols;
  if (r < 0) return;
  auto const logit = [&](index_t v) { return load_as<T>(p.student.logits(r, v)); };
  wide_t<T> mean(0);
  for (index_t v = 0; v < n; ++v) mean += T(token.student(v) * token.direction(v));
  T const scale = p.weight(b) / (p.divisor(b) * p.student.temperature);
  bool const labelled = p.labels.counts(r) && p.label_partition(j) > T(0);
  index_t const label =
      labelled && logit(p.labels.label(r)) > -infinity<T> ? p.labels.label(r) : -1;
  for (index_t v = 0; v < n; ++v) {
    T const z = logit(v);
    T sum = scale * token.student(v) * (token.direction(v) - T(mean));
    if (labelled && z > -infinity<T>) {
      using softmax = vocabulary_mass<T, Student, host_memory>;
      T const q = softmax::weight(z, T(p.student.maximum(j)), T(1)) / p.label_partition(j);
      sum += p.cross_entropy_weight * (v == label ? T(q - T(1)) : q);
    }
    p.gradient(r, v) = store_as<Gradient>(sum);
  }
}

template <real T, storage Teacher, storage Student, storage Gradient>
status run(device, ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p,
           workspace<host_memory> scratch) {
  using std::abs;
  index_t const m = p.teacher.logits.cols, n = p.student.logits.cols;
  arena<host_memory> space(scratch);
  ranked_tokens<T> const token(m, n, space);
  for (index_t b = 0; b < p.student.tokens.sequences(); ++b) {
    wide_t<T> sum(0);
    for (index_t j = p.student.tokens.offset(b); j < p.student.tokens.offset(b + 1); ++j) {
      token.rank_student(p.student, j);
      for_each_teacher_of(p.pairs, p.teacher.tokens, p.student.tokens, b, j, [&](index_t i) {
        token.rank_teacher(p.teacher, i);
        for (index_t l = 0; l < p.ranks(); ++l) {
          T const t = l < m ? token.teacher(l) : T(0);
          T const s = l < n ? token.student(token.by_rank(l)) : T(0);
          sum += T(abs(T(t - s)));
          if (l < n) token.direction(token.by_rank(l)) += sign(T(s - t));
        }
      });
      if (p.backward()) write_gradient(p, token, b, j);
    }
    p.out(b) = T(sum) / p.divisor(b);
  }
  if (p.backward())
    for_rows_without_token(p.student.tokens, p.student.logits.rows, [&](index_t r) {
      for (index_t v = 0; v < n; ++v) p.gradient(r, v) = store_as<Gradient>(T(0));
    });
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
