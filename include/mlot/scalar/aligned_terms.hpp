#pragma once
#include <cmath>

#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
/// Sequence b of aligned_terms: what its terms are divided by, and a visit of its pairs as
/// (teacher row, student row) of the tables.
template <real T>
struct aligned_sequence {
  aligned_terms<T, host_memory> const& p;
  index_t b;
  index_t teacher_first = p.teacher_offset(b), student_first = p.student_offset(b);
  index_t teacher_count = p.teacher_offset(b + 1) - teacher_first;
  index_t student_count = p.student_offset(b + 1) - student_first;

  T divisor() const {
    index_t const pairs = p.pairs.count(b, teacher_count, student_count);
    return p.mean_over_pairs && pairs > 0 ? T(double(pairs)) : T(1);
  }
  template <class Visit>
  void for_each_pair(Visit visit) const {
    p.pairs.for_each(b, teacher_count, student_count,
                     [&](index_t t, index_t s) { visit(teacher_first + t, student_first + s); });
  }
};

template <real T>
status run(device, aligned_terms<T, host_memory> const& p, workspace<host_memory>) {
  using std::abs;
  for (index_t b = 0; b < p.sequences(); ++b) {
    aligned_sequence<T> const sequence{p, b};
    wide_t<T> difference(0), logarithm(0);
    sequence.for_each_pair([&](index_t i, index_t j) {
      for (index_t l = 0; l < p.teacher.cols; ++l) {
        T const t = p.teacher(i, l), log_s = p.student_log(j, l);
        difference += T(abs(T(t - p.student(j, l))));
        if (t > T(0) && log_s > -infinity<T>) logarithm -= T(t * log_s);
      }
    });
    p.holistic_difference(b) = T(difference) / sequence.divisor();
    p.sequential_logarithm(b) = T(logarithm) / sequence.divisor();
  }
  return {};
}

template <real T>
status run(device, aligned_terms_gradient<T, host_memory> const& p, workspace<host_memory>) {
  aligned_terms<T, host_memory> const& of = p.of;
  for (index_t j = 0; j < of.student.rows; ++j)
    for (index_t l = 0; l < of.student.cols; ++l)
      p.table_gradient(j, l) = p.log_gradient(j, l) = T(0);
  for (index_t b = 0; b < of.sequences(); ++b) {
    aligned_sequence<T> const sequence{of, b};
    T const difference_weight = p.difference_weight(b) / sequence.divisor();
    T const logarithm_weight = p.logarithm_weight(b) / sequence.divisor();
    sequence.for_each_pair([&](index_t i, index_t j) {
      for (index_t l = 0; l < of.teacher.cols; ++l) {
        T const t = of.teacher(i, l);
        p.table_gradient(j, l) += difference_weight * sign(T(of.student(j, l) - t));
        if (of.student_log(j, l) > -infinity<T>) p.log_gradient(j, l) -= logarithm_weight * t;
      }
    });
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
