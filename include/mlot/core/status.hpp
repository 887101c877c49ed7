#pragma once
#include <cstdint>
namespace mlot {
using index_t = std::int64_t;

/// What kind of thing was wrong.
enum class fault {
  none,
  shape,      ///< a view's size, stride or pointer does not fit the others
  value,      ///< an option outside its range
  data,       ///< an element of an array is not allowed (NaN logits, a label past the vocabulary)
  workspace,  ///< less scratch memory was lent than workspace_size() asks for
  device      ///< the device refused
};

/// What every computation answers. `argument` and `allowed` are string literals: which argument
/// is at fault and what it may be; `value` is what it was. For a fault in an array, `row` and
/// `column` (or `row` alone) say where. After a fault, outputs are untouched unless the
/// primitive's contract says otherwise. mlot/interop/describe.hpp makes a sentence of it.
struct [[nodiscard]] status {
  fault code = fault::none;
  char const* argument = "";
  char const* allowed = "";
  double value = 0;
  index_t row = -1, column = -1;
  constexpr bool ok() const { return code == fault::none; }
};
}  // namespace mlot
