#pragma once
#include <algorithm>

#include "mlot/core/function_ref.hpp"
#include "mlot/core/macros.hpp"
#include "mlot/core/status.hpp"
namespace mlot::MLOT_SET::scalar {
/// Sorts indices by `before(i, j)`, a strict order. One copy of std::sort for all lists that are
/// short, or sorted once a call: the order costs a call through a pointer.
MLOT_COMPILED_ONCE inline void sort_indices(index_t* first, index_t size,
                                            function_ref<bool(index_t, index_t)> before) {
  std::sort(first, first + size, before);
}
}  // namespace mlot::MLOT_SET::scalar
