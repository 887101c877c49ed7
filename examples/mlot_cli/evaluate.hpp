#pragma once
#include <optional>
#include <span>
#include <vector>

#include "mlot_cli/inputs.hpp"
#include "mlot_cli/settings.hpp"
namespace mlot_cli {
/// Vocabulary ids (lists, ids a list), a list for each sequence or one for the batch; -1: no
/// column.
struct column_lists {
  index_t lists = 0, width = 0;
  std::vector<index_t> ids;

  column_lists() = default;
  column_lists(index_t count, index_t size)
      : lists(count), width(size), ids(std::size_t(count * size)) {}
  /// With as many ids a list, -1 behind those that there are.
  column_lists widened(index_t to) const {
    column_lists all(lists, to);
    for (index_t b = 0; b < lists; ++b)
      for (index_t l = 0; l < to; ++l)
        all.ids[std::size_t(b * to + l)] = l < width ? ids[std::size_t(b * width + l)] : -1;
    return all;
  }
  mlot::host::matrix<index_t> view() { return {ids.data(), lists, width, width}; }
  /// The ids that sequence b is compared in.
  std::span<index_t const> of(index_t b) const {
    std::size_t const list = lists == 1 ? 0 : std::size_t(b);
    return std::span(ids).subspan(list * std::size_t(width), std::size_t(width));
  }
  bool operator==(column_lists const&) const = default;
};
struct column_choice {
  column_lists teacher, student;
  column_lists teacher_transport, student_transport;  ///< where ranked for themselves

  bool operator==(column_choice const&) const = default;
};

template <class T>
struct named_term {
  char const* name;
  T value;
};
template <mlot::real T>
struct evaluation {
  std::vector<named_term<T>> terms;      ///< the last is the total
  std::optional<column_choice> columns;  ///< of losses that compare columns of a sequence
  std::vector<index_t> rows;             ///< the student's rows that count, over the whole batch
  std::vector<T> gradient;               ///< (B, T, V) where asked for
  std::vector<index_t> plan_shape;       ///< (T_t, T_s), or (B, most teacher, most student tokens)
  std::vector<T> plan;                   ///< where asked for

  T total() const { return terms.back().value; }
};
struct wanted {
  bool gradient = false, plan = false;
  column_choice const* held = nullptr;  ///< columns to use instead of ranking: multi-level only
};

/// The loss of the settings on the device of the settings. Throws user_error where the library
/// answers a fault, in the words of the command line.
template <mlot::real T, mlot::storage S>
evaluation<T> evaluate(settings const& s, input_pair<S> const& input, wanted want);
}  // namespace mlot_cli
