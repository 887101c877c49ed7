#pragma once
#include <cstdint>

#include "mlot/core/instruction_set.hpp"
namespace mlot::MLOT_SET {
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
/// is at fault and what it may be; `value` is what it was. Of a shape or a size, `axis` says what
/// `value` counts, and `needed` how many there must be. For a fault in an array, `row` and `column`
/// (or `row` alone) say where. After a fault, outputs are untouched unless the
/// primitive's contract says otherwise. mlot/interop/describe.hpp makes a sentence of it.
struct [[nodiscard]] status {
  fault code = fault::none;
  char const* argument = "";
  char const* allowed = "";
  double value = 0;
  index_t row = -1, column = -1;
  char const* axis = "";  ///< "rows", "columns", "elements", "bytes" and the like; "pointer": null
  index_t needed = -1;    ///< or at least so many, as `allowed` says; -1: no single number
  constexpr bool ok() const { return code == fault::none; }
};
constexpr status null_pointer(char const* argument) {
  return {fault::shape, argument, "a pointer that is not null", 0, -1, -1, "pointer"};
}

/// An argument of a primitive, and what the caller of a loss knows it as.
struct renaming {
  char const *of_primitive, *of_loss;
};
/// The same fault under the name of the loss's argument; `names` ends with an empty one.
[[gnu::noinline]] constexpr status known_as(renaming const* names, status s) {
  for (; names->of_primitive != nullptr; ++names) {
    char const *a = names->of_primitive, *b = s.argument;
    while (*a != '\0' && *a == *b) ++a, ++b;
    if (*a == *b) s.argument = names->of_loss;
  }
  return s;
}
}  // namespace mlot::MLOT_SET
