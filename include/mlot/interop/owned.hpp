#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "mlot/core/compute.hpp"
#include "mlot/core/token_rows.hpp"
#include "mlot/core/workspace.hpp"
/// Owners for callers who keep their buffers in std::vector: they allocate, so they live outside
/// the core, and they keep what they have for the next call.
namespace mlot::MLOT_SET {
namespace detail {
/// std::allocator by a name of ours: so a vector's functions, too, are those of one instruction
/// set.
template <class T>
struct owned_memory : std::allocator<T> {
  owned_memory() = default;
  template <class U>
  owned_memory(owned_memory<U> const&) {}
};
}  // namespace detail

/// Scratch memory that grows to the largest size asked for and is then reused.
class scratch_buffer {
 public:
  template <class Device, class Primitive>
  workspace<host_memory> for_call(Device device, Primitive const& primitive) {
    if (!primitive.check().ok()) return {};  // sizes of nonsense; compute() will say what is wrong
    std::size_t const size = workspace_size(device, primitive);
    if (bytes_.size() < size) bytes_.resize(size);
    return {bytes_.data(), bytes_.size()};
  }

 private:
  std::vector<std::byte, detail::owned_memory<std::byte>> bytes_;
};

/// Token rows with the memory behind them: copied and moved with it. A view stays valid until its
/// owner is refilled, assigned or moved from. After a fault there are no rows.
class owned_token_rows {
 public:
  operator token_rows<>() const { return view(); }
  token_rows<> view() const {
    return {{offset_.data(), index_t(offset_.size())},
            {row_.data(), index_t(row_.size())},
            offset_.empty() ? 0 : longest_};
  }

  status from_lengths(host::vector<index_t const> length, index_t padded_length) {
    token_rows<> built;
    return keep(rows_from_lengths(length, padded_length,
                                  storage(length.size, length.size * padded_length), built),
                built);
  }
  status from_offsets(host::vector<index_t const> offset) {
    index_t const last = offset.empty() || offset.data == nullptr ? 0 : offset(offset.size - 1);
    token_rows<> built;
    return keep(rows_from_offsets(offset, storage(offset.size, last), built), built);
  }
  status from_labels(host::matrix<index_t const> labels, index_t ignore_index = -100) {
    token_rows<> built;
    return keep(rows_from_labels(labels, ignore_index,
                                 storage(labels.rows, labels.rows * labels.cols), built),
                built);
  }

 private:
  /// No view is kept: it would refer to the memory of the owner from which this one was copied.
  status keep(status const& answer, token_rows<> const& built) {
    offset_.erase(offset_.begin() + built.offset.size, offset_.end());
    row_.erase(row_.begin() + built.row.size, row_.end());
    longest_ = built.longest;
    return answer;
  }
  token_rows_storage storage(index_t sequences, index_t tokens) {
    offset_.resize(std::size_t(sequences > 0 ? sequences + 1 : 1));
    row_.resize(std::size_t(tokens > 0 ? tokens : 0));
    return {{offset_.data(), index_t(offset_.size())}, {row_.data(), index_t(row_.size())}};
  }
  std::vector<index_t, detail::owned_memory<index_t>> offset_, row_;
  index_t longest_ = 0;
};
}  // namespace mlot::MLOT_SET
