#pragma once
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
/// The safetensors format, as far as tables of numbers need it: F16, F32, F64 and I64. Eight bytes
/// of the header's length, a JSON object of tensors (dtype, shape, place) and of texts, then the
/// elements. Source: the format's description in the repository huggingface/safetensors.
namespace mlot_cli {
using mlot::index_t;

struct tensor {
  std::vector<index_t> shape;
  std::variant<std::vector<mlot::half>, std::vector<float>, std::vector<double>,
               std::vector<std::int64_t>>
      elements;
};

struct safetensors {
  std::map<std::string, tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Whether a file begins as none of the other kinds that are read here does: not as .npy.
bool looks_like_safetensors(std::string const& path);

/// Throws user_error beginning with `option`, the argument that named the file, for anything that
/// is not such a file: offsets that lie, other types, holes, a name given twice. A header never
/// makes it allocate more than the file is long.
safetensors read_safetensors(std::string const& option, std::string const& path);

/// The caller looks at the stream's state.
void write_safetensors(std::ostream& out, safetensors const& file);
}  // namespace mlot_cli
