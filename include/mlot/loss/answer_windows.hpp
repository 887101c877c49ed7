#pragma once
#include <algorithm>

#include "mlot/core/token_pairs.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// The answer window of one sequence as the authors' code derives it from labels: it starts one
/// position before the first label that counts (a causal model's logits there predict it), or at 0
/// when nothing is ignored before it; its size is the number of labels that count, less one where
/// the end-of-sequence token is skipped. A hole is counted out of the size but not skipped.
struct answer_window {
  index_t start = 0, size = 0;
};
inline answer_window answer_window_of(host::vector<index_t const> labels, index_t ignore_index,
                                      bool skip_end) {
  index_t leading = 0, counted = 0;
  while (leading < labels.size && labels(leading) == ignore_index) ++leading;
  for (index_t t = 0; t < labels.size; ++t) counted += labels(t) != ignore_index;
  index_t const size = counted - (skip_end ? 1 : 0);
  return {leading > 0 ? leading - 1 : 0, size > 0 ? size : 0};
}

/// Length L to which all windows of a batch are padded: the largest of both models.
inline index_t longest_window(host::matrix<index_t const> labels, index_t ignore_index,
                              bool skip_end) {
  index_t most = 0;
  for (index_t b = 0; b < labels.rows; ++b) {
    index_t const size = answer_window_of(labels.row(b), ignore_index, skip_end).size;
    most = size > most ? size : most;
  }
  return most;
}

/// B sequences of `length` tokens each: the window's rows, then absent tokens. Storage for
/// B length tokens.
inline status rows_from_windows(host::matrix<index_t const> labels, index_t ignore_index,
                                bool skip_end, index_t length, token_rows_storage const& storage,
                                token_rows<>& out) {
  if (!labels.empty() && labels.data == nullptr) return null_pointer("rows_from_windows.labels");
  if (index_t const least = longest_window(labels, ignore_index, skip_end); length < least)
    return {fault::value,
            "rows_from_windows.length",
            "at least the longest window",
            double(length),
            -1,
            -1,
            "tokens",
            least};
  return detail::build_token_rows(labels.rows, storage, out, [&](index_t b, auto push) {
    answer_window const window = answer_window_of(labels.row(b), ignore_index, skip_end);
    for (index_t t = 0; t < length; ++t)
      push(t < window.size ? b * labels.cols + window.start + t : -1);
  });
}

/// Length L of the spans that DistillKitPlus compares: the most labels that count in a sequence,
/// the fewer of both models.
inline index_t longest_span(host::matrix<index_t const> teacher_labels,
                            host::matrix<index_t const> student_labels, index_t ignore_index) {
  index_t most = 0;
  for (index_t b = 0; b < (std::min)(teacher_labels.rows, student_labels.rows); ++b) {
    index_t const t = answer_window_of(teacher_labels.row(b), ignore_index, false).size;
    index_t const s = answer_window_of(student_labels.row(b), ignore_index, false).size;
    most = (std::max)(most, (std::min)(t, s));
  }
  return most;
}

/// B sequences of `length` tokens each, from the first label that counts on, whether the labels
/// behind it count or not; absent tokens behind the last position. A sequence in which none counts
/// begins at 0. Storage for B length tokens.
inline status rows_from_spans(host::matrix<index_t const> labels, index_t ignore_index,
                              index_t length, token_rows_storage const& storage,
                              token_rows<>& out) {
  if (!labels.empty() && labels.data == nullptr) return null_pointer("rows_from_spans.labels");
  if (length < 0) return {fault::value, "rows_from_spans.length", "at least 0", double(length)};
  return detail::build_token_rows(labels.rows, storage, out, [&](index_t b, auto push) {
    index_t start = 0;
    while (start < labels.cols && labels(b, start) == ignore_index) ++start;
    if (start == labels.cols) start = 0;
    for (index_t t = start; t < start + length; ++t)
      push(t < labels.cols ? b * labels.cols + t : -1);
  });
}

/// Pairs (t, t) up to the shorter window of either model. Storage: offsets (B + 1), and both
/// token lists for at least B times the longest window.
inline status pairs_from_windows(host::matrix<index_t const> teacher_labels, bool skip_teacher_end,
                                 host::matrix<index_t const> student_labels, bool skip_student_end,
                                 index_t ignore_index, host::vector<index_t> offset,
                                 host::vector<index_t> teacher, host::vector<index_t> student,
                                 token_pairs<>& out) {
  index_t const sequences = student_labels.rows;
  requirement all;
  all.count("pairs_from_windows.teacher_labels", teacher_labels.rows, sequences, "rows",
            "as many as student_labels has")
      .pointer("pairs_from_windows.student_labels",
               student_labels.empty() || student_labels.data != nullptr)
      .pointer("pairs_from_windows.teacher_labels",
               teacher_labels.empty() || teacher_labels.data != nullptr)
      .pointer("pairs_from_windows.offset", offset.data != nullptr);
  if (!all.answer().ok()) return all.answer();
  if (offset.size < sequences + 1)
    return {fault::shape,
            "pairs_from_windows.offset",
            "at least sequences + 1",
            double(offset.size),
            -1,
            -1,
            "elements",
            sequences + 1};
  index_t pairs = 0;
  offset(0) = 0;
  for (index_t b = 0; b < sequences; ++b) {
    index_t const t = answer_window_of(teacher_labels.row(b), ignore_index, skip_teacher_end).size;
    index_t const s = answer_window_of(student_labels.row(b), ignore_index, skip_student_end).size;
    for (index_t i = 0; i < t && i < s; ++i, ++pairs) {
      if (pairs >= teacher.size || pairs >= student.size)
        return {fault::shape, "pairs_from_windows.student", "at least one element a pair",
                double(student.size)};
      teacher(pairs) = student(pairs) = i;
    }
    offset(b + 1) = pairs;
  }
  out = {{offset.data, sequences + 1, offset.stride},
         {teacher.data, pairs, teacher.stride},
         {student.data, pairs, student.stride}};
  return {};
}
}  // namespace mlot::MLOT_SET
