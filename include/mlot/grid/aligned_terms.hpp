#pragma once
#include <cmath>

#include "mlot/grid/aligned_pairs.hpp"
#include "mlot/primitive/aligned_terms.hpp"
namespace mlot::MLOT_SET::simt {
template <class T, class Memory>
aligned_pairs<Memory> pairs_of(aligned_terms<T, Memory> const& p) {
  return {p.pairs, p.teacher_offset, p.student_offset, p.student.rows};
}
template <class T, class Memory>
MLOT_DEVICE T divisor_of(aligned_pairs<Memory> const& pairs, aligned_terms<T, Memory> const& p,
                         index_t b) {
  return p.mean_over_pairs && pairs.count(b) > 0 ? T(double(pairs.count(b))) : T(1);
}

/// One warp a pair: its part of both terms.
template <grid Device, class T>
struct pair_terms_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  aligned_pairs<memory> pairs;
  aligned_terms<T, memory> p;
  matrix_view<T, memory> terms;  ///< (pairs, 2) written
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    using std::abs;
    for (index_t n = block.index() * Block::warps + block.warp(); n < terms.rows;
         n += block.blocks() * Block::warps) {
      auto const [i, j] = pairs.at(segment_of(pairs.offset(), n), n);
      if (i < 0 && pairs.given() && block.lane() == 0) report(block, findings, finding::pairs, n);
      T difference(0), logarithm(0);
      for (index_t l = block.lane(); i >= 0 && l < p.teacher.cols; l += 32) {
        T const t = p.teacher(i, l), log_s = p.student_log(j, l);
        difference += abs(t - p.student(j, l));
        if (t > T(0) && log_s > -infinity<T>) logarithm -= t * log_s;
      }
      difference = block.warp_all(difference, plus());
      logarithm = block.warp_all(logarithm, plus());
      if (block.lane() == 0) {
        terms(n, 0) = difference;
        terms(n, 1) = logarithm;
      }
    }
  }
};

/// One block a sequence: its pairs added up.
template <grid Device, class T>
struct aligned_terms_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.row_threads;
  using shared = nothing_shared;
  aligned_pairs<memory> pairs;
  aligned_terms<T, memory> p;
  matrix_view<T const, memory> terms;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for (index_t b = block.index(); b < p.holistic_difference.size; b += block.blocks()) {
      T difference(0), logarithm(0);
      for (index_t n = pairs.offset()(b) + block.thread(); n < pairs.offset()(b + 1);
           n += Block::threads) {
        difference += terms(n, 0);
        logarithm += terms(n, 1);
      }
      difference = block.all(difference, plus());
      logarithm = block.all(logarithm, plus());
      if (block.thread() == 0) {
        p.holistic_difference(b) = difference / divisor_of(pairs, p, b);
        p.sequential_logarithm(b) = logarithm / divisor_of(pairs, p, b);
      }
    }
  }
};

/// One warp a student token.
template <grid Device, class T>
struct aligned_terms_gradient_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  aligned_pairs<memory> pairs;
  aligned_terms_gradient<T, memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    auto const& of = p.of;
    pairs.report_wrong(block, findings);
    for (index_t j = block.index() * Block::warps + block.warp(); j < of.student.rows;
         j += block.blocks() * Block::warps) {
      index_t const b = segment_of(of.student_offset, j);
      T const difference_weight = p.difference_weight(b) / divisor_of(pairs, of, b);
      T const logarithm_weight = p.logarithm_weight(b) / divisor_of(pairs, of, b);
      auto const [first, past] = pairs.of(b, j);
      for (index_t l = block.lane(); l < of.student.cols; l += 32) {
        T const s = of.student(j, l);
        bool const counts = of.student_log(j, l) > -infinity<T>;
        T table(0), log(0);
        for (index_t n = first; n < past; ++n) {
          auto const own = pairs.at(b, n);
          if (own.student != j) continue;
          T const t = of.teacher(own.teacher, l);
          table += difference_weight * sign(s - t);
          if (counts) log -= logarithm_weight * t;
        }
        p.table_gradient(j, l) = table;
        p.log_gradient(j, l) = log;
      }
    }
  }
};

template <grid Device, real T>
std::size_t scratch_size(Device, aligned_terms<T, typename Device::memory> const& p) {
  arena<typename Device::memory> space;
  (void)space.template matrix<T>(pairs_of(p).count(), 2);
  return space.bytes();
}

template <grid Device, real T>
status run(Device device, aligned_terms<T, typename Device::memory> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  arena<memory> space(scratch);
  auto const pairs = pairs_of(p);
  matrix_view<T, memory> const terms = space.template matrix<T>(pairs.count(), 2);
  launches<Device> launch(device);
  using each = pair_terms_kernel<Device, T>;
  launch(item_blocks<Device>(terms.rows * 32, each::threads),
         each{pairs, p, terms, device.findings});
  launch(least(p.sequences(), Device::tuning.most_blocks),
         aligned_terms_kernel<Device, T>{pairs, p, terms});
  return launch.answer();
}

template <grid Device, real T>
status run(Device device, aligned_terms_gradient<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = aligned_terms_gradient_kernel<Device, T>;
  if (p.of.sequences() > 0)
    launch(item_blocks<Device>(p.of.student.rows * 32, kernel::threads),
           kernel{pairs_of(p.of), p, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
