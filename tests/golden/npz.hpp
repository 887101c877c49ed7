#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
/// Reads the .npz files beside this header, each of which CMake has unpacked into a folder of the
/// same name. An .npz is a zip of .npy files; an .npy is a line of text that names type and shape,
/// then the elements.
namespace golden {
struct array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  ///< C order; every type in use fits
};

namespace detail {
template <class Element>
std::vector<double> elements(std::string const& bytes, std::size_t first) {
  static_assert(std::endian::native == std::endian::little);
  std::vector<Element> raw((bytes.size() - first) / sizeof(Element));
  if (!raw.empty()) std::memcpy(raw.data(), bytes.data() + first, raw.size() * sizeof(Element));
  return {raw.begin(), raw.end()};
}
template <>
inline std::vector<double> elements<std::int64_t>(std::string const& bytes, std::size_t first) {
  std::vector<double> out((bytes.size() - first) / 8);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::int64_t x;
    std::memcpy(&x, bytes.data() + first + 8 * i, 8);
    out[i] = static_cast<double>(x);
  }
  return out;
}

inline std::string text_between(std::string const& text, std::string const& before, char after) {
  auto const start = text.find(before);
  if (start == std::string::npos) throw std::runtime_error("npy: no " + before + " in " + text);
  auto const first = start + before.size();
  return text.substr(first, text.find(after, first) - first);
}

/// Versions 1 and 2 of the format differ in the width of the header's length.
inline array read_npy(std::string const& bytes) {
  if (bytes.size() < 12 || bytes.compare(0, 6, "\x93NUMPY") != 0)
    throw std::runtime_error("npy: not such a file");
  bool const wide = bytes[6] > 1;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  std::size_t const first = (wide ? 12 : 10) + length;
  std::string const header = bytes.substr(wide ? 12 : 10, length);
  if (text_between(header, "'fortran_order': ", ',') != "False")
    throw std::runtime_error("npy: not in C order");

  array out;
  std::string const shape = text_between(header, "'shape': (", ')');
  std::size_t expected = 1;
  for (std::size_t at = 0; at < shape.size();) {
    auto const comma = std::min(shape.find(',', at), shape.size());
    if (shape.find_first_of("0123456789", at) < comma) {
      out.shape.push_back(std::stoll(shape.substr(at, comma - at)));
      expected *= static_cast<std::size_t>(out.shape.back());
    }
    at = comma + 1;
  }
  std::string const type = text_between(header, "'descr': '", '\'');
  if (type == "<f4")
    out.values = elements<float>(bytes, first);
  else if (type == "<f8")
    out.values = elements<double>(bytes, first);
  else if (type == "<i8")
    out.values = elements<std::int64_t>(bytes, first);
  else
    throw std::runtime_error("npy: type " + type);
  if (out.values.size() != expected) throw std::runtime_error("npy: elements are missing");
  return out;
}
}  // namespace detail

/// All arrays of one file, by name.
class npz {
 public:
  explicit npz(std::filesystem::path const& path) : name_(path.stem().string()) {
    for (auto const& entry : std::filesystem::directory_iterator(path)) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::string const bytes{std::istreambuf_iterator<char>(file), {}};
      arrays_[entry.path().stem().string()] = detail::read_npy(bytes);
    }
  }
  std::string const& name() const { return name_; }
  bool has(std::string const& array_name) const { return arrays_.count(array_name) != 0; }
  array const& operator[](std::string const& array_name) const {
    auto const found = arrays_.find(array_name);
    if (found == arrays_.end()) throw std::runtime_error(name_ + " has no " + array_name);
    return found->second;
  }
  std::vector<double> const& values(std::string const& array_name) const {
    return (*this)[array_name].values;
  }
  double number(std::string const& array_name) const { return values(array_name).at(0); }
  std::int64_t whole(std::string const& array_name) const {
    return static_cast<std::int64_t>(number(array_name));
  }

 private:
  std::string name_;
  std::map<std::string, array> arrays_;
};

/// All files whose name begins with `prefix`, by name.
inline std::vector<npz> all_of(std::string const& prefix) {
  std::vector<std::filesystem::path> paths;
  for (auto const& entry : std::filesystem::directory_iterator(MLOT_TEST_DATA))
    if (entry.path().extension() == ".npz" && entry.path().stem().string().starts_with(prefix))
      paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return {paths.begin(), paths.end()};
}
}  // namespace golden
