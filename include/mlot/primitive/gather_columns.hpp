#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// Whether every id is one of the vocabulary's, or -1. Device memory is not read.
template <class Memory>
constexpr status check_ids(char const* argument, matrix_view<index_t const, Memory> ids,
                           index_t vocabulary) {
  if constexpr (std::is_same_v<Memory, host_memory>)
    for (index_t b = 0; ids.data != nullptr && b < ids.rows; ++b)
      for (index_t l = 0; l < ids.cols; ++l)
        if (ids(b, l) < -1 || ids(b, l) >= vocabulary)
          return {fault::data, argument, "a vocabulary id, or -1", double(ids(b, l)), b, l};
  return {};
}

/// The logits of a sequence's columns: a (tokens, K) table.
///
///   table(i, l) = z(row(i), ids(b, l))   for token i of sequence b;   -inf where the id is -1 or
///                                        the token is absent
///
/// A missing column, a masked logit and an absent token thus look the same from here on.
/// An id past the vocabulary answers fault::data (host devices). Exact: values are only converted.
template <real T, storage S, class Memory>
struct gather_columns {
  using memory = Memory;
  matrix_view<S const, Memory> logits{};     ///< (rows, V)
  token_rows<Memory> tokens{};               ///< B sequences
  matrix_view<index_t const, Memory> ids{};  ///< (B, K) -1: no column
  matrix_view<T, Memory> table{};            ///< (tokens, K) written, [logit]

  constexpr status check() const {
    requirement all;
    all.usable("gather_columns.logits", logits)
        .also(tokens.check("gather_columns.tokens", logits.rows))
        .matrix("gather_columns.ids", ids, tokens.sequences(), ids.cols, "one row a sequence")
        .matrix("gather_columns.table", table, tokens.tokens(), ids.cols,
                "one row a token, one column a column of ids");
    return all.also(check_ids("gather_columns.ids", ids, logits.cols)).answer();
  }
};
}  // namespace mlot::MLOT_SET
