#pragma once
#include "mlot/core/segment.hpp"
#include "mlot/core/token_pairs.hpp"
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
/// The pairs of all sequences, numbered: by position one a student token, given ones as they lie.
/// Nobody has looked at given pairs before: wrong ones count for nothing (and where they are out of
/// order, a student token may not find all of its right ones).
template <class Memory>
struct aligned_pairs {
  struct pair {  ///< tokens of the batch; -1: there is none
    index_t teacher = -1, student = -1;
  };
  token_pairs<Memory> pairs;
  vector_view<index_t const, Memory> teacher_offset, student_offset;
  index_t student_tokens;

  MLOT_HOST_DEVICE bool given() const { return !pairs.by_position(); }
  MLOT_HOST_DEVICE index_t count() const {
    if (student_offset.size < 2) return 0;
    return given() ? pairs.student.size : student_tokens;
  }
  /// Sequence b's are offset()(b) .. offset()(b + 1) - 1.
  MLOT_DEVICE vector_view<index_t const, Memory> const& offset() const {
    return given() ? pairs.offset : student_offset;
  }
  MLOT_DEVICE index_t teacher_count(index_t b) const {
    return teacher_offset(b + 1) - teacher_offset(b);
  }
  MLOT_DEVICE index_t student_count(index_t b) const {
    return student_offset(b + 1) - student_offset(b);
  }
  /// How many sequence b has.
  MLOT_DEVICE index_t count(index_t b) const {
    return pairs.count(b, teacher_count(b), student_count(b));
  }
  /// Pair n, which is one of sequence b.
  MLOT_DEVICE pair at(index_t b, index_t n) const {
    index_t const t = given() ? pairs.teacher(n) : n - student_offset(b);
    index_t const s = given() ? pairs.student(n) : t;
    bool const sorted = !given() || n == offset()(b) || pairs.student(n - 1) <= s;
    if (t < 0 || t >= teacher_count(b) || s < 0 || s >= student_count(b) || !sorted) return {};
    return {teacher_offset(b) + t, student_offset(b) + s};
  }
  /// first .. past - 1: among them all right ones of student token j of sequence b.
  struct range {
    index_t first, past;
  };
  MLOT_DEVICE range of(index_t b, index_t j) const {
    if (!given()) return {j, j + 1};
    index_t const s = j - student_offset(b);
    index_t const first = first_at_least(s, pairs.offset(b), pairs.offset(b + 1));
    return {first, first_at_least(s + 1, first, pairs.offset(b + 1))};
  }
  /// Reports given pairs that are wrong.
  template <class Block>
  MLOT_DEVICE void report_wrong(Block& block, std::uint64_t* findings) const {
    for_items(block, given() ? count() : 0, [&](index_t n) {
      if (at(segment_of(offset(), n), n).teacher < 0) report(block, findings, finding::pairs, n);
    });
  }

 private:
  /// The first of the given pairs low .. high - 1 whose student token is at least s, or high.
  MLOT_DEVICE index_t first_at_least(index_t s, index_t low, index_t high) const {
    while (low < high) {
      index_t const middle = low + (high - low) / 2;
      if (pairs.student(middle) < s)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
};
}  // namespace mlot::MLOT_SET::simt
