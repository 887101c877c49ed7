#include "mlot_cli/npy.hpp"

#include <algorithm>
#include <bit>
#include <ostream>

#include "mlot_cli/byte_source.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

struct npy_header {
  std::string type;
  bool fortran_order = false;
  std::vector<index_t> shape;
};

/// Reads the header's Python literal: a dictionary of a string, a bool and a tuple of integers.
class header_parser {
 public:
  explicit header_parser(std::string_view text) : text_(text) {}

  npy_header parse() {
    npy_header header;
    bool has_type = false, has_order = false, has_shape = false;
    expect('{');
    while (!take('}')) {
      std::string const key = quoted();
      expect(':');
      if (key == "descr" && !has_type) {
        header.type = quoted();
        has_type = true;
      } else if (key == "fortran_order" && !has_order) {
        header.fortran_order = boolean();
        has_order = true;
      } else if (key == "shape" && !has_shape) {
        header.shape = shape();
        has_shape = true;
      } else {
        fail();
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size() || !has_type || !has_order || !has_shape) fail();
    return header;
  }

 private:
  [[noreturn]] static void fail() {
    throw user_error(
        "has a header that is not a dictionary of a plain 'descr', 'fortran_order' "
        "and 'shape'");
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail();
  }
  std::string quoted() {
    char const quote = take('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    std::size_t const end = text_.find(quote, at_);
    if (end == text_.npos) fail();
    std::string const word(text_.substr(at_, end - at_));
    at_ = end + 1;
    return word;
  }
  bool boolean() {
    skip_space();
    for (std::string_view const word : {"True", "False"})
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    fail();
  }
  std::vector<index_t> shape() {
    std::vector<index_t> sizes;
    expect('(');
    while (!take(')')) {
      sizes.push_back(dimension());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }
  index_t dimension() {
    skip_space();
    std::size_t const first = at_;
    index_t size = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      size = 10 * size + (text_[at_] - '0');
      if (size > largest_dimension)
        throw user_error("has a dimension above " + std::to_string(largest_dimension));
    }
    if (at_ == first) fail();
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote them
    return size;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

npy_header read_header(byte_source& file) {
  if (file.left() < npy_magic.size() + 2 || file.text(npy_magic.size()) != npy_magic)
    throw user_error("is not an .npy file");
  std::string const version = file.text(2);
  if (version[0] < 1 || version[0] > 3)
    throw user_error("has .npy version " + std::to_string(static_cast<unsigned char>(version[0])) +
                     ", must be 1, 2 or 3");
  std::uint64_t const size = little_endian(file.text(version[0] == 1 ? 2 : 4));
  return header_parser(file.text(size)).parse();
}

template <class T>
std::vector<T> read_elements(byte_source& file, std::span<index_t const> shape) {
  std::uint64_t const room = file.left() / sizeof(T);
  std::uint64_t count = 1;
  bool const none = std::find(shape.begin(), shape.end(), 0) != shape.end();
  for (index_t const size : shape) {
    auto const factor = static_cast<std::uint64_t>(size);
    if (!none && count > room / factor)
      throw user_error("is cut short: its header says " + shape_text(shape));
    count *= none ? 0 : factor;
  }
  if (count * sizeof(T) != file.left())
    throw user_error("has " + std::to_string(file.left() - count * sizeof(T)) +
                     " bytes behind the " + shape_text(shape) + " that its header says");
  std::vector<T> elements(count);
  file.read(elements.data(), count * sizeof(T));
  return elements;
}

npy_array read(std::string const& path, std::span<std::string_view const> types) {
  byte_source file(path);
  npy_header header = read_header(file);
  if (std::find(types.begin(), types.end(), header.type) == types.end()) {
    std::string allowed;
    for (std::string_view const type : types)
      allowed += (allowed.empty() ? "" : type == types.back() ? " or " : ", ") + std::string(type);
    throw user_error("has dtype " + header.type + ", must be " + allowed);
  }
  if (header.fortran_order)
    throw user_error("is in Fortran order, must be in C order (numpy.ascontiguousarray)");
  npy_array array{.shape = std::move(header.shape), .elements = {}};
  if (header.type == "<f2") array.elements = read_elements<mlot::half>(file, array.shape);
  if (header.type == "<f4") array.elements = read_elements<float>(file, array.shape);
  if (header.type == "<f8") array.elements = read_elements<double>(file, array.shape);
  if (header.type == "<i4") array.elements = read_elements<std::int32_t>(file, array.shape);
  if (header.type == "<i8") array.elements = read_elements<std::int64_t>(file, array.shape);
  return array;
}

template <class T>
void write(std::ostream& out, char const* type, std::span<index_t const> shape,
           std::span<T const> elements) {
  constexpr std::size_t alignment = 64, prefix = npy_magic.size() + 4;
  std::string header = std::string("{'descr': '") + type +
                       "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  header.append(alignment - (prefix + header.size() + 1) % alignment, ' ');
  header += '\n';
  out << npy_magic << '\x01' << '\0' << static_cast<char>(header.size() & 0xff)
      << static_cast<char>(header.size() >> 8) << header;
  out.write(reinterpret_cast<char const*>(elements.data()),
            static_cast<std::streamsize>(elements.size_bytes()));
}
}  // namespace

npy_array read_npy(std::string const& option, std::string const& path,
                   std::span<std::string_view const> types) {
  try {
    return read(path, types);
  } catch (user_error const& problem) {
    throw user_error(option + ": " + path + " " + problem.what());
  }
}

void write_npy(std::ostream& out, std::span<index_t const> shape, std::span<float const> elements) {
  write(out, "<f4", shape, elements);
}
void write_npy(std::ostream& out, std::span<index_t const> shape,
               std::span<double const> elements) {
  write(out, "<f8", shape, elements);
}

std::string shape_text(std::span<index_t const> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}
}  // namespace mlot_cli
