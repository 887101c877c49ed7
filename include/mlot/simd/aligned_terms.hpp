#pragma once
#include "mlot/scalar/aligned_terms.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::aligned_sequence;

template <real T>
bool contiguous_tables(aligned_terms<T, host_memory> const& p) {
  return p.teacher.col_stride == 1 && p.student.col_stride == 1 && p.student_log.col_stride == 1;
}

template <class Arch, has_lanes T>
status run(device<Arch>, aligned_terms<T, host_memory> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous_tables(p)) return run_strided(p, scratch);
  parallel_for(p.sequences(), 1, p.student.rows * p.student.cols, [&](index_t b) {
    aligned_sequence<T> const sequence{p, b};
    double difference = 0, logarithm = 0;
    sequence.for_each_pair([&](index_t i, index_t j) {
      batch differences(T(0)), logarithms(T(0));
      for_lanes<batch>(p.teacher.cols, [&](index_t l, auto which) {
        batch const t = load_lanes<batch>(&p.teacher(i, l), which);
        batch const log_s = load_lanes<batch>(&p.student_log(j, l), which);
        differences += xsimd::abs(t - load_lanes<batch>(&p.student(j, l), which));
        auto const counts = (t > batch(T(0))) & (log_s > batch(-infinity<T>));
        logarithms = add_where(counts, logarithms, product(t, log_s));
      });
      difference += double(lane_sum(differences));
      logarithm -= double(lane_sum(logarithms));
    });
    p.holistic_difference(b) = T(difference) / sequence.divisor();
    p.sequential_logarithm(b) = T(logarithm) / sequence.divisor();
  });
  return {};
}

template <class Arch, has_lanes T>
status run(device<Arch>, aligned_terms_gradient<T, host_memory> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  aligned_terms<T, host_memory> const& of = p.of;
  if (!contiguous_tables(of) || p.table_gradient.col_stride != 1 || p.log_gradient.col_stride != 1)
    return run_strided(p, scratch);
  parallel_for(of.sequences(), 1, 2 * of.student.rows * of.student.cols, [&](index_t b) {
    aligned_sequence<T> const sequence{of, b};
    for (index_t j = of.student_offset(b); j < of.student_offset(b + 1); ++j) {
      std::fill_n(&p.table_gradient(j, 0), of.student.cols, T(0));
      std::fill_n(&p.log_gradient(j, 0), of.student.cols, T(0));
    }
    batch const difference_weight(p.difference_weight(b) / sequence.divisor());
    batch const logarithm_weight(p.logarithm_weight(b) / sequence.divisor());
    sequence.for_each_pair([&](index_t i, index_t j) {
      for_lanes<batch>(of.teacher.cols, [&](index_t l, auto which) {
        batch const t = load_lanes<batch>(&of.teacher(i, l), which);
        batch const s = load_lanes<batch>(&of.student(j, l), which);
        auto const counts = load_lanes<batch>(&of.student_log(j, l), which) > batch(-infinity<T>);
        T *const table = &p.table_gradient(j, l), *const log = &p.log_gradient(j, l);
        store_lanes(table,
                    multiply_add(difference_weight, batch(xsimd::sign(batch(s - t))),
                                 load_lanes<batch>(table, which)),
                    which);
        store_lanes(log,
                    batch(load_lanes<batch>(log, which) -
                          xsimd::select(counts, product(logarithm_weight, t), batch(T(0)))),
                    which);
      });
    });
  });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
