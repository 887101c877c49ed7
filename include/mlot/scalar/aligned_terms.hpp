#pragma once
#include <cmath>

#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
template <real T>
status run(scalar, aligned_terms<T, host_memory> const& p, workspace<host_memory>) {
  using std::abs;
  for (index_t b = 0; b < p.sequences(); ++b) {
    index_t const teacher_first = p.teacher_offset(b), student_first = p.student_offset(b);
    wide_t<T> difference(0), logarithm(0);
    p.pairs.for_each(b, p.teacher_offset(b + 1) - teacher_first,
                     p.student_offset(b + 1) - student_first, [&](index_t ti, index_t si) {
                       index_t const i = teacher_first + ti, j = student_first + si;
                       for (index_t l = 0; l < p.teacher.cols; ++l) {
                         T const t = p.teacher(i, l), log_s = p.student_log(j, l);
                         difference += abs(T(t - p.student(j, l)));
                         if (t > T(0) && log_s > -infinity<T>) logarithm -= T(t * log_s);
                       }
                     });
    p.holistic_difference(b) = T(difference);
    p.sequential_logarithm(b) = T(logarithm);
  }
  return {};
}

template <real T>
status run(scalar, aligned_terms_gradient<T, host_memory> const& p, workspace<host_memory>) {
  aligned_terms<T, host_memory> const& of = p.of;
  for (index_t j = 0; j < of.student.rows; ++j)
    for (index_t l = 0; l < of.student.cols; ++l) p.table_gradient(j, l) = p.log_gradient(j, l) = T(0);
  for (index_t b = 0; b < of.sequences(); ++b) {
    index_t const teacher_first = of.teacher_offset(b), student_first = of.student_offset(b);
    T const difference_weight = p.difference_weight(b), logarithm_weight = p.logarithm_weight(b);
    of.pairs.for_each(b, of.teacher_offset(b + 1) - teacher_first,
                      of.student_offset(b + 1) - student_first, [&](index_t ti, index_t si) {
                        index_t const i = teacher_first + ti, j = student_first + si;
                        for (index_t l = 0; l < of.teacher.cols; ++l) {
                          T const t = of.teacher(i, l);
                          p.table_gradient(j, l) +=
                              difference_weight * sign(T(of.student(j, l) - t));
                          if (of.student_log(j, l) > -infinity<T>)
                            p.log_gradient(j, l) -= logarithm_weight * t;
                        }
                      });
  }
  return {};
}
}  // namespace mlot::on
