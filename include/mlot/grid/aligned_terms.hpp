#pragma once
#include <cmath>

#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/aligned_terms.hpp"
namespace mlot::on {
/// The pairs of all sequences, numbered: by position one a student token, given ones as they lie.
/// Nobody has looked at given pairs before: wrong ones count for nothing (and where they are out of
/// order, a student token may not find all of its right ones).
template <class T, class Memory>
struct aligned_pairs {
  struct pair {  ///< rows of the tables; -1: there is none
    index_t teacher = -1, student = -1;
  };
  aligned_terms<T, Memory> p;

  MLOT_HOST_DEVICE bool given() const { return !p.pairs.by_position(); }
  MLOT_HOST_DEVICE index_t count() const {
    if (p.student_offset.size < 2) return 0;
    return given() ? p.pairs.student.size : p.student.rows;
  }
  /// Sequence b's are offset()(b) .. offset()(b + 1) - 1.
  MLOT_DEVICE vector_view<index_t const, Memory> const& offset() const {
    return given() ? p.pairs.offset : p.student_offset;
  }
  MLOT_DEVICE index_t teacher_count(index_t b) const {
    return p.teacher_offset(b + 1) - p.teacher_offset(b);
  }
  MLOT_DEVICE index_t student_count(index_t b) const {
    return p.student_offset(b + 1) - p.student_offset(b);
  }
  MLOT_DEVICE T divisor(index_t b) const {
    index_t const pairs = p.pairs.count(b, teacher_count(b), student_count(b));
    return p.mean_over_pairs && pairs > 0 ? T(double(pairs)) : T(1);
  }
  /// Pair n, which is one of sequence b.
  MLOT_DEVICE pair at(index_t b, index_t n) const {
    index_t const t = given() ? p.pairs.teacher(n) : n - p.student_offset(b);
    index_t const s = given() ? p.pairs.student(n) : t;
    bool const sorted = !given() || n == offset()(b) || p.pairs.student(n - 1) <= s;
    if (t < 0 || t >= teacher_count(b) || s < 0 || s >= student_count(b) || !sorted) return {};
    return {p.teacher_offset(b) + t, p.student_offset(b) + s};
  }
  /// first .. past - 1: among them all right ones of student row j of sequence b.
  struct range {
    index_t first, past;
  };
  MLOT_DEVICE range of(index_t b, index_t j) const {
    if (!given()) return {j, j + 1};
    index_t const s = j - p.student_offset(b);
    index_t const first = first_at_least(s, p.pairs.offset(b), p.pairs.offset(b + 1));
    return {first, first_at_least(s + 1, first, p.pairs.offset(b + 1))};
  }

 private:
  /// The first of the given pairs low .. high - 1 whose student token is at least s, or high.
  MLOT_DEVICE index_t first_at_least(index_t s, index_t low, index_t high) const {
    while (low < high) {
      index_t const middle = low + (high - low) / 2;
      if (p.pairs.student(middle) < s)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
};

/// One warp a pair: its part of both terms.
template <grid Device, class T>
struct pair_terms_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  aligned_pairs<T, memory> pairs;
  matrix_view<T, memory> terms;  ///< (pairs, 2) written
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    using std::abs;
    auto const& p = pairs.p;
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
  aligned_pairs<T, memory> pairs;
  matrix_view<T const, memory> terms;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for (index_t b = block.index(); b < pairs.p.holistic_difference.size; b += block.blocks()) {
      T difference(0), logarithm(0);
      for (index_t n = pairs.offset()(b) + block.thread(); n < pairs.offset()(b + 1);
           n += Block::threads) {
        difference += terms(n, 0);
        logarithm += terms(n, 1);
      }
      difference = block.all(difference, plus());
      logarithm = block.all(logarithm, plus());
      if (block.thread() == 0) {
        pairs.p.holistic_difference(b) = difference / pairs.divisor(b);
        pairs.p.sequential_logarithm(b) = logarithm / pairs.divisor(b);
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
  aligned_pairs<T, memory> pairs;
  aligned_terms_gradient<T, memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    auto const& of = pairs.p;
    for_items(block, pairs.given() ? pairs.count() : 0, [&](index_t n) {
      if (pairs.at(segment_of(pairs.offset(), n), n).teacher < 0)
        report(block, findings, finding::pairs, n);
    });
    for (index_t j = block.index() * Block::warps + block.warp(); j < of.student.rows;
         j += block.blocks() * Block::warps) {
      index_t const b = segment_of(of.student_offset, j);
      T const difference_weight = p.difference_weight(b) / pairs.divisor(b);
      T const logarithm_weight = p.logarithm_weight(b) / pairs.divisor(b);
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
  (void)space.template matrix<T>(aligned_pairs<T, typename Device::memory>{p}.count(), 2);
  return space.bytes();
}

template <grid Device, real T>
status run(Device device, aligned_terms<T, typename Device::memory> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  arena<memory> space(scratch);
  aligned_pairs<T, memory> const pairs{p};
  matrix_view<T, memory> const terms = space.template matrix<T>(pairs.count(), 2);
  launches<Device> launch(device);
  using each = pair_terms_kernel<Device, T>;
  launch(item_blocks<Device>(terms.rows * 32, each::threads), each{pairs, terms, device.findings});
  launch(least(p.sequences(), Device::tuning.most_blocks),
         aligned_terms_kernel<Device, T>{pairs, terms});
  return launch.answer();
}

template <grid Device, real T>
status run(Device device, aligned_terms_gradient<T, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  using kernel = aligned_terms_gradient_kernel<Device, T>;
  if (p.of.sequences() > 0)
    launch(item_blocks<Device>(p.of.student.rows * 32, kernel::threads),
           kernel{{p.of}, p, device.findings});
  return launch.answer();
}
}  // namespace mlot::on
