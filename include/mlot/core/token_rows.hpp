#pragma once
#include "mlot/core/requirement.hpp"
#include "mlot/core/view.hpp"
namespace mlot::MLOT_SET {
/// Which rows of a logits matrix are the tokens of which sequence, in order. Padded, packed and
/// masked batches all become this. Token i (0 <= i < tokens()) is logits row row(i); sequence b
/// owns tokens offset(b) .. offset(b + 1) - 1. Rows rise strictly over the whole batch, so no row
/// is written twice. Row -1 is an absent token: a zero row that takes part in nothing.
template <class Memory = host_memory>
struct token_rows {
  using memory = Memory;
  vector_view<index_t const, Memory> offset{};  ///< (B + 1) from 0 to tokens(), never falling
  vector_view<index_t const, Memory> row{};     ///< (tokens)
  index_t longest = 0;                          ///< tokens of the longest sequence

  MLOT_HOST_DEVICE constexpr index_t sequences() const {
    return offset.size > 0 ? offset.size - 1 : 0;
  }
  MLOT_HOST_DEVICE constexpr index_t tokens() const { return row.size; }
  MLOT_HOST_DEVICE constexpr index_t first(index_t b) const { return offset(b); }
  MLOT_HOST_DEVICE constexpr index_t count(index_t b) const { return offset(b + 1) - offset(b); }

  /// Whether this describes rows of a matrix with `rows` rows. Device memory is not read: there
  /// only the sizes are checked.
  [[gnu::noinline]] constexpr status check(char const* argument, index_t rows) const {
    requirement all;
    all.pointer(argument, row.size == 0 || row.data != nullptr)
        .that(row.size == 0 || offset.size > 1, fault::shape, argument, double(offset.size),
              "offsets (sequences + 1) beside the rows")
        .pointer(argument, offset.size == 0 || offset.data != nullptr);
    if constexpr (std::is_same_v<Memory, host_memory>) {
      if (!all.answer().ok() || offset.size == 0) return all.answer();
      all.that(offset(0) == 0, fault::shape, argument, double(offset(0)), "offsets from 0");
      index_t most = 0;
      for (index_t b = 0; b < sequences(); ++b) {
        all.that(count(b) >= 0, fault::shape, argument, double(count(b)),
                 "offsets that never fall");
        most = count(b) > most ? count(b) : most;
      }
      all.count(argument, offset(sequences()), tokens(), "tokens",
                "a last offset equal to the number of tokens");
      all.count(argument, longest, most, "tokens", "`longest` equal to the longest sequence");
      index_t last = -1;
      for (index_t i = 0; i < tokens(); ++i) {
        if (row(i) == -1) continue;
        all.that(row(i) > last, fault::shape, argument, double(row(i)),
                 "rows that rise strictly, or -1");
        all.that(row(i) < rows, fault::shape, argument, double(row(i)), "rows of the logits");
        last = row(i);
      }
    }
    return all.answer();
  }
};

/// Memory of the caller in which the builders below write offsets and rows.
struct token_rows_storage {
  host::vector<index_t> offset{};  ///< at least (sequences + 1)
  host::vector<index_t> row{};     ///< at least (tokens): rows of the logits always suffice
};

namespace detail {
/// Appends rows sequence by sequence. `append(b, push)` calls push(row) for each token of b.
template <class Append>
constexpr status build_token_rows(index_t sequences, token_rows_storage const& storage,
                                  token_rows<>& out, Append append) {
  if (storage.offset.data == nullptr) return null_pointer("token_rows_storage.offset");
  if (storage.offset.size < sequences + 1)
    return {fault::shape,
            "token_rows_storage.offset",
            "at least sequences + 1",
            double(storage.offset.size),
            -1,
            -1,
            "elements",
            sequences + 1};
  if (storage.row.size > 0 && storage.row.data == nullptr)
    return null_pointer("token_rows_storage.row");
  index_t tokens = 0, longest = 0;
  storage.offset(0) = 0;
  for (index_t b = 0; b < sequences; ++b) {
    append(b, [&](index_t row) {
      if (tokens < storage.row.size) storage.row(tokens) = row;
      ++tokens;
    });
    storage.offset(b + 1) = tokens;
    index_t const length = tokens - storage.offset(b);
    longest = length > longest ? length : longest;
  }
  if (tokens > storage.row.size)
    return {fault::shape,
            "token_rows_storage.row",
            "at least one a token",
            double(storage.row.size),
            -1,
            -1,
            "elements",
            tokens};
  out = {{storage.offset.data, sequences + 1, storage.offset.stride},
         {storage.row.data, tokens, storage.row.stride},
         longest};
  return {};
}
}  // namespace detail

/// A padded batch: logits (B, padded_length, V) flattened to rows; sequence b is the first
/// length(b) rows of its padded_length.
inline status rows_from_lengths(host::vector<index_t const> length, index_t padded_length,
                                token_rows_storage const& storage, token_rows<>& out) {
  if (padded_length < 0)
    return {fault::value, "rows_from_lengths.padded_length", "at least 0", double(padded_length)};
  if (length.size > 0 && length.data == nullptr) return null_pointer("rows_from_lengths.length");
  for (index_t b = 0; b < length.size; ++b)
    if (length(b) < 0 || length(b) > padded_length)
      return {fault::data, "rows_from_lengths.length", "0 to padded_length", double(length(b)), b};
  return detail::build_token_rows(length.size, storage, out, [&](index_t b, auto push) {
    for (index_t t = 0; t < length(b); ++t) push(b * padded_length + t);
  });
}

/// A packed batch: sequence b is rows offset(b) .. offset(b + 1) - 1.
inline status rows_from_offsets(host::vector<index_t const> offset,
                                token_rows_storage const& storage, token_rows<>& out) {
  if (offset.data == nullptr) return null_pointer("rows_from_offsets.offset");
  if (offset.size == 0) return {fault::shape, "rows_from_offsets.offset", "sequences + 1 elements"};
  for (index_t b = 0; b < offset.size; ++b)
    if (offset(b) < (b == 0 ? 0 : offset(b - 1)))
      return {fault::data, "rows_from_offsets.offset", "from 0 on, never falling",
              double(offset(b)), b};
  return detail::build_token_rows(offset.size - 1, storage, out, [&](index_t b, auto push) {
    for (index_t r = offset(b); r < offset(b + 1); ++r) push(r);
  });
}

/// A batch masked by its labels (B, T): the tokens are the positions whose label is not
/// ignore_index; logits are (B, T, V) flattened, position t of sequence b is row b T + t. Holes
/// and sequences without any token are ordinary.
inline status rows_from_labels(host::matrix<index_t const> labels, index_t ignore_index,
                               token_rows_storage const& storage, token_rows<>& out) {
  if (status const s = requirement().usable("rows_from_labels.labels", labels).answer(); !s.ok())
    return s;
  return detail::build_token_rows(labels.rows, storage, out, [&](index_t b, auto push) {
    for (index_t t = 0; t < labels.cols; ++t)
      if (labels(b, t) != ignore_index) push(b * labels.cols + t);
  });
}
}  // namespace mlot::MLOT_SET
