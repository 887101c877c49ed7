#pragma once
#include <optional>

#include "mlot/core/view.hpp"
#include "mlot_cli/npy.hpp"
#include "mlot_cli/ranked_tables.hpp"
namespace mlot_cli {
inline constexpr index_t ignore_index = -100;  ///< the label of a position that does not count

/// What is known of one model besides its logits.
struct model_shape {
  std::string option, path;  ///< the argument that named the logits, and its value
  index_t sequences = 0, positions = 0, vocabulary = 0;
  bool batched = false;                        ///< (B, T, V) rather than (T, V)
  std::string labels_option;                   ///< the argument that names labels
  std::optional<std::vector<index_t>> labels;  ///< (B, T) each an id or ignore_index; or none given
  /// (B, T) in their place: those of the other model, which has the same positions.
  std::optional<std::vector<index_t>> other_labels;

  index_t rows() const { return sequences * positions; }
  /// Whether labels say which positions count; otherwise all do.
  bool has_marks() const { return labels || other_labels; }
  mlot::host::matrix<index_t const> marks() const {
    return {(labels ? labels : other_labels)->data(), sequences, positions, positions};
  }
  /// Of the logits' file.
  std::vector<index_t> shape() const {
    if (batched) return {sequences, positions, vocabulary};
    return {positions, vocabulary};
  }
};

/// One model, its logits in the type that they are stored in.
struct stored_model : model_shape {
  npy_array file;                       ///< without elements where there are tables
  std::optional<ranked_tables> tables;  ///< a teacher that was ranked before, in their place
};

/// One model, its logits in the type that the library reads.
template <class S>
struct model_input : model_shape {
  std::vector<S> logits;                ///< (B, T, V)
  std::optional<ranked_tables> tables;  ///< in their place, the logits in it stored as S
  mlot::host::matrix<S const> view() const {
    return {logits.data(), rows(), vocabulary, vocabulary};
  }
};

template <class S>
struct input_pair {
  model_input<S> teacher, student;
};

/// Reads one model's files; no label file where `labels_path` is empty. Throws user_error.
stored_model read_model(std::string const& option, std::string const& path,
                        std::string const& labels_option, std::string const& labels_path);

/// The teacher's: logits, or the tables that `mlot_cli teacher` writes.
stored_model read_teacher(std::string const& path, std::string const& labels_path);

/// Throws user_error unless both have the same number of sequences.
void check_batch(stored_model const& teacher, stored_model const& student);

/// Where one model alone has labels that leave positions out, the same count of the other, if it
/// has as many; else throws user_error.
void match_positions(stored_model& teacher, stored_model& student);

/// S: half (only of half), float or double.
template <class S>
model_input<S> convert(stored_model&& stored);

/// "row 3", or "sequence 1, row 3" of a batch; `row` counts over the whole batch.
std::string position(model_shape const& model, index_t row);
}  // namespace mlot_cli
