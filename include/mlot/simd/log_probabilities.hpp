#pragma once
#include <algorithm>

#include "mlot/divergence/probability_pair.hpp"
#include "mlot/scalar/divergence.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/logarithm.hpp"
#include "mlot/simd/vocabulary_mass.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::softmax_of_token;

/// A row of logits as log-probabilities, in lanes.
template <class Batch, storage S>
struct log_probability_row {
  using T = typename Batch::value_type;
  S const* z;
  index_t size;
  Batch maximum, inverse_temperature, minus_log_partition;

  log_probability_row(matrix_view<S const, host_memory> logits, index_t r,
                      softmax_of_token<T> const& of)
      : z(&logits(r, 0)),
        size(logits.cols),
        maximum(of.maximum),
        inverse_temperature(of.inverse_temperature),
        minus_log_partition(-of.log_partition) {}
  template <class Which>
  Batch at(index_t v, Which which) const {
    return multiply_add(Batch(load_lanes<Batch>(z + v, which, -infinity<T>) - maximum),
                        inverse_temperature, minus_log_partition);
  }
};

/// A teacher's and a student's row. Ids beyond the shorter one count as absent there.
template <class Batch, class Kind, storage Teacher, storage S>
struct compared_rows {
  using T = typename Batch::value_type;
  log_probability_row<Batch, Teacher> teacher;
  log_probability_row<Batch, S> student;

  /// The ids of a block that begins at `begin` and lies within one row or within both.
  struct block {
    log_probability_row<Batch, Teacher> teacher;
    log_probability_row<Batch, S> student;
    index_t begin;
    bool teacher_has, student_has;

    template <class Which>
    probability_pair<Batch> operator()(index_t v, Which which) const {
      Batch const absent(-infinity<T>);
      Batch const log_q = teacher_has ? teacher.at(begin + v, which) : absent;
      Batch const log_p = student_has ? student.at(begin + v, which) : absent;
      if constexpr (mixing_kind<Kind>) {  // one exponential less than by three
        Batch const none(T(0)), d = log_q - log_p;
        auto const teacher_has_more = d > none;
        Batch const larger = exponential((xsimd::max)(log_q, log_p));
        Batch const ratio = exponential(Batch(-xsimd::abs(d)));
        Batch const smaller = xsimd::select(larger > none, product(larger, ratio), none);
        return {xsimd::select(teacher_has_more, larger, smaller),
                xsimd::select(teacher_has_more, smaller, larger), log_q, log_p, ratio};
      } else {
        return {exponential(log_q), exponential(log_p), log_q, log_p, Batch(T(0))};
      }
    }
  };
  block at(index_t begin) const {
    return {teacher, student, begin, begin < teacher.size, begin < student.size};
  }
  /// Calls body(begin, end, block) for all ids in order.
  template <class Body>
  void for_blocks(Body body) const {
    index_t const both = (std::min)(teacher.size, student.size);
    index_t const widest = (std::max)(teacher.size, student.size);
    for (index_t begin = 0, end; begin < widest; begin = end) {
      end = (std::min)(begin + block_columns, begin < both ? both : widest);
      body(begin, end, at(begin));
    }
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
