#include "mlot_cli/safetensors.hpp"

#include <rapidjson/reader.h>  // not document.h, which C++20 does not compile
#include <rapidjson/writer.h>

#include <algorithm>
#include <bit>
#include <ostream>
#include <set>

#include "mlot_cli/byte_source.hpp"
#include "mlot_cli/npy.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

/// A tensor as the header tells of it.
struct announced {
  std::string type;
  std::vector<std::uint64_t> shape, place;
};

/// Takes the header's events: an object of objects, whose values are texts and lists of whole
/// numbers.
class header_reader : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, header_reader> {
 public:
  std::map<std::string, announced> tensors;
  std::map<std::string, std::string> metadata;

  bool Default() { return false; }
  bool StartObject() { return ++depth_ <= 2; }
  bool EndObject(rapidjson::SizeType) { return --depth_ >= 0; }
  bool Key(char const* text, rapidjson::SizeType size, bool) {
    (depth_ == 1 ? name_ : key_) = std::string(text, size);
    bool const fresh = depth_ == 1 ? named(name_) : within_.insert(name_ + '\0' + key_).second;
    if (depth_ == 1 && name_ != metadata_name) tensors[name_];
    return fresh;
  }
  bool String(char const* text, rapidjson::SizeType size, bool) {
    if (depth_ != 2 || in_list_) return false;
    if (name_ == metadata_name)
      metadata[key_] = std::string(text, size);
    else if (key_ == "dtype")
      tensors[name_].type = std::string(text, size);
    else
      return false;
    return true;
  }
  bool StartArray() {
    bool const begins = depth_ == 2 && !in_list_ && name_ != metadata_name &&
                        (key_ == "shape" || key_ == "data_offsets");
    in_list_ = true;
    return begins;
  }
  bool EndArray(rapidjson::SizeType) {
    in_list_ = false;
    return true;
  }
  bool Uint(unsigned x) { return Uint64(x); }
  bool Uint64(std::uint64_t x) {
    if (!in_list_) return false;
    announced& of = tensors[name_];
    (key_ == "shape" ? of.shape : of.place).push_back(x);
    return true;
  }

 private:
  static constexpr char const* metadata_name = "__metadata__";
  bool named(std::string const& name) { return within_.insert(name).second; }
  int depth_ = 0;
  bool in_list_ = false;
  std::string name_, key_;
  std::set<std::string> within_;  ///< what has been named
};

template <class T>
std::vector<T> elements_of(std::string_view bytes) {
  std::vector<T> all(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(all.data()));
  return all;
}

tensor read_tensor(std::string const& name, announced const& of, std::string const& data) {
  tensor out;
  std::size_t const size = of.type == "F16"                       ? 2
                           : of.type == "F32"                     ? 4
                           : of.type == "F64" || of.type == "I64" ? 8
                                                                  : 0;
  if (size == 0)
    throw user_error("has tensor " + name + " of dtype " + of.type +
                     ", must be F16, F32, F64 or I64");
  std::uint64_t count = std::count(of.shape.begin(), of.shape.end(), 0U) > 0 ? 0 : 1;
  for (std::uint64_t const n : of.shape) {
    if (n > std::uint64_t(largest_dimension))
      throw user_error("has a dimension above " + std::to_string(largest_dimension));
    out.shape.push_back(index_t(n));
    if (n != 0 && count > data.size() / n)
      throw user_error("is cut short: its header says " + name + " " + shape_text(out.shape));
    count *= n;
  }
  std::uint64_t const begin = of.place[0], end = of.place[1];
  if (end - begin != count * size)
    throw user_error("has " + std::to_string(end - begin) + " bytes for tensor " + name + " " +
                     shape_text(out.shape));
  std::string_view const bytes = std::string_view(data).substr(begin, end - begin);
  if (of.type == "F16") out.elements = elements_of<mlot::half>(bytes);
  if (of.type == "F32") out.elements = elements_of<float>(bytes);
  if (of.type == "F64") out.elements = elements_of<double>(bytes);
  if (of.type == "I64") out.elements = elements_of<std::int64_t>(bytes);
  return out;
}

safetensors read(std::string const& path) {
  byte_source file(path);
  std::uint64_t const size = file.left() < 8 ? 0 : little_endian(file.text(8));
  if (size < 2 || size > file.left()) throw user_error("is neither .npy nor safetensors");
  std::string const header = file.text(size);
  header_reader events;
  rapidjson::MemoryStream text(header.data(), header.size());
  if (!rapidjson::Reader().Parse(text, events))
    throw user_error("has a safetensors header that is not an object of tensors");

  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (auto const& [name, of] : events.tensors) {
    if (of.place.size() != 2 || of.place[0] > of.place[1] || of.place[1] > file.left())
      throw user_error("has data_offsets of tensor " + name + " that are not in the file");
    places.emplace_back(of.place[0], of.place[1]);
  }
  std::sort(places.begin(), places.end());
  std::uint64_t at = 0;
  for (auto const& [begin, end] : places) {
    if (begin != at) throw user_error("has tensors that overlap or leave holes");
    at = end;
  }
  if (at != file.left())
    throw user_error("has " + std::to_string(file.left() - at) + " bytes behind its tensors");

  std::string data(at, '\0');
  file.read(data.data(), at);
  safetensors out{.tensors = {}, .metadata = std::move(events.metadata)};
  for (auto const& [name, of] : events.tensors) out.tensors[name] = read_tensor(name, of, data);
  return out;
}

char const* type_of(tensor const& t) {
  constexpr char const* names[] = {"F16", "F32", "F64", "I64"};
  return names[t.elements.index()];
}
std::string_view bytes_of(tensor const& t) {
  return std::visit(
      [](auto const& all) {
        return std::string_view(reinterpret_cast<char const*>(all.data()),
                                all.size() * sizeof all[0]);
      },
      t.elements);
}
}  // namespace

bool looks_like_safetensors(std::string const& path) {
  try {
    byte_source file(path);
    if (file.left() < 9) return false;
    std::string const first = file.text(9);  // of .npy, a part of the header's length lies there
    return first.back() == '{' && !first.starts_with(npy_magic);
  } catch (user_error const&) {
    return false;
  }
}

safetensors read_safetensors(std::string const& option, std::string const& path) {
  try {
    return read(path);
  } catch (user_error const& problem) {
    throw user_error(option + ": " + path + " " + problem.what());
  }
}

void write_safetensors(std::ostream& out, safetensors const& file) {
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> json(text);
  json.StartObject();
  json.Key("__metadata__");
  json.StartObject();
  for (auto const& [key, value] : file.metadata) {
    json.Key(key.c_str());
    json.String(value.c_str());
  }
  json.EndObject();
  std::uint64_t at = 0;
  for (auto const& [name, t] : file.tensors) {
    json.Key(name.c_str());
    json.StartObject();
    json.Key("dtype");
    json.String(type_of(t));
    json.Key("shape");
    json.StartArray();
    for (index_t const n : t.shape) json.Int64(n);
    json.EndArray();
    json.Key("data_offsets");
    json.StartArray();
    json.Uint64(at);
    json.Uint64(at += bytes_of(t).size());
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();
  std::string header(text.GetString(), text.GetSize());
  header.append((8 - header.size() % 8) % 8, ' ');
  std::uint64_t const size = header.size();
  out.write(reinterpret_cast<char const*>(&size), 8) << header;
  for (auto const& [name, t] : file.tensors)
    out.write(bytes_of(t).data(), std::streamsize(bytes_of(t).size()));
}
}  // namespace mlot_cli
