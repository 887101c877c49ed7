#pragma once
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
/// NumPy's .npy files, as far as logits, labels, gradients and plans need them: little-endian, C
/// order, format versions 1 to 3. Source: numpy.lib.format, "Format Version 1.0" to "3.0".
namespace mlot_cli {
using mlot::index_t;

struct npy_array {
  std::vector<index_t> shape;
  std::variant<std::vector<mlot::half>, std::vector<float>, std::vector<double>,
               std::vector<std::int32_t>, std::vector<std::int64_t>>
      elements;
};

inline constexpr std::string_view npy_magic = "\x93NUMPY";  ///< what such a file begins with
inline constexpr std::string_view logit_types[] = {"<f2", "<f4", "<f8"};
inline constexpr std::string_view label_types[] = {"<i8", "<i4"};
inline constexpr index_t largest_dimension = index_t(1)
                                             << 24;  ///< no size computed of it overflows

/// The array in file `path`, whose element type is one of `types`. Throws user_error beginning with
/// `option`, the argument that named the file, for anything else: a file whose header lies about
/// its length, another type, byte order or memory order, text that is no header. A header never
/// makes it allocate more than the file is long.
npy_array read_npy(std::string const& option, std::string const& path,
                   std::span<std::string_view const> types);

/// Writes a version 1 file. The caller looks at the stream's state.
void write_npy(std::ostream& out, std::span<index_t const> shape, std::span<float const> elements);
void write_npy(std::ostream& out, std::span<index_t const> shape, std::span<double const> elements);

/// "(2, 7, 11)", "(7,)": as NumPy prints it.
std::string shape_text(std::span<index_t const> shape);
}  // namespace mlot_cli
