#pragma once
#include <cmath>
#include <numbers>

#include "mlot/divergence/probability_pair.hpp"
#include "mlot/grid/exponentials.hpp"
#include "mlot/grid/pack.hpp"
namespace mlot::MLOT_SET::simt {
/// log p(z) = (z - maximum) / temperature - log partition, of one token.
template <class T>
struct log_softmax {
  T maximum = -infinity<T>, inverse_temperature = T(1), minus_log_partition = T(0);

  /// Whether the token has a distribution: an absent one has none, nor has a row of -inf.
  MLOT_DEVICE bool exists() const { return maximum > -infinity<T>; }
  MLOT_DEVICE T operator()(T z) const {
    using std::fma;  // by name: equal logits have equal probabilities wherever this is compiled
    return fma(T(z - maximum), inverse_temperature, minus_log_partition);
  }
};
template <class T>
MLOT_DEVICE T exponential(T x) {
  return power_of_two(T(x * std::numbers::log2e_v<T>));
}

/// Packs of either row that a thread has at once: every id takes a number of registers.
template <class T, int Width>
inline constexpr int compared_packs = most(1, (sizeof(T) > 4 ? 2 : 8) / Width);

/// A teacher's and a student's row, of which either has a distribution. Ids beyond the shorter one
/// count as absent there.
template <class T, class Kind, class Teacher, class S, class Memory>
struct compared_rows {
  vector_view<Teacher const, Memory> teacher;
  vector_view<S const, Memory> student;
  place_of_packs<pack_width<Teacher, S>> place;  ///< in both
  log_softmax<T> of_teacher, of_student;

  MLOT_DEVICE probability_pair<T> at(T teacher_logit, T student_logit) const {
    using std::abs;
    T const log_q = of_teacher(teacher_logit), log_p = of_student(student_logit);
    if constexpr (mixing_kind<Kind>) {  // one exponential less than by three
      T const larger = exponential(most(log_q, log_p)), ratio = exponential(T(-abs(log_q - log_p)));
      T const smaller = larger > T(0) ? larger * ratio : T(0);
      bool const teacher_has_more = log_q > log_p;
      return {teacher_has_more ? larger : smaller, teacher_has_more ? smaller : larger, log_q,
              log_p, ratio};
    } else {
      return {exponential(log_q), exponential(log_p), log_q, log_p, T(0)};
    }
  }
  /// Calls visit(at(id), id) for this thread's share of all ids.
  template <class Block, class Visit>
  MLOT_DEVICE void for_ids(Block& block, Visit visit) const {
    index_t const both = least(teacher.size, student.size);
    auto const q = columns_of(teacher, 0, both);
    auto const p = columns_of(student, 0, both);
    constexpr int width = pack_width<Teacher, S>;
    for_columns<T, width, compared_packs<T, width>>(block, both, place, [&](auto part) {
      T x[part.count], y[part.count];
      part.load(q, x);
      part.load(p, y);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j) visit(at(x[j], y[j]), part.column(j));
    });
    auto const alone = [&](auto const& row, auto at_logit) {
      auto const rest = columns_of(row, both, row.size);
      for_row<T>(block, rest, [&](auto part) {
        T x[part.count];
        part.load(rest, x);
        MLOT_UNROLL
        for (int j = 0; j < part.count; ++j) visit(at_logit(x[j]), both + part.column(j));
      });
    };
    alone(teacher, [this](T z) { return at(z, -infinity<T>); });
    alone(student, [this](T z) { return at(-infinity<T>, z); });
  }
  /// Calls visit(log q, id) for this thread's share of the teacher's ids.
  template <class Block, class Visit>
  MLOT_DEVICE void for_teacher(Block& block, Visit visit) const {
    for_row<T>(block, teacher, [&](auto part) {
      T x[part.count];
      part.load(teacher, x);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j) visit(of_teacher(x[j]), part.column(j));
    });
  }
};
}  // namespace mlot::MLOT_SET::simt
