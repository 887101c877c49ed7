#pragma once
#include "mlot/core/token_rows.hpp"
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
/// Which token each row of logits is: the first, should several say that they are.
template <class Memory>
struct row_tokens {
  static constexpr std::uint64_t none = ~std::uint64_t(0);
  vector_view<std::uint64_t, Memory> token;  ///< (rows)

  row_tokens(index_t rows, arena<Memory>& space)
      : token(space.template vector<std::uint64_t>(rows)) {}
  MLOT_DEVICE bool is_token(index_t r) const { return token(r) != none; }
  MLOT_DEVICE index_t of(index_t r) const { return index_t(token(r)); }
  /// Comes in the launch before row_tokens_kernel.
  template <class Block>
  MLOT_DEVICE void clear(Block& block) const {
    for_items(block, token.size, [&](index_t r) { token(r) = none; });
  }
};

template <grid Device>
struct row_tokens_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  row_tokens<memory> rows;
  token_rows<memory> tokens;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    for_items(block, tokens.tokens(), [&](index_t i) {
      index_t const r = tokens.row(i);
      if (r >= rows.token.size)
        report(block, findings, finding::row, i);
      else if (r >= 0)
        block.lower(rows.token(r), std::uint64_t(i));
    });
  }
};
}  // namespace mlot::MLOT_SET::simt
