#include "distill/r_strings.hpp"

#include <zlib.h>

namespace distill {
namespace {
/// Reads big-endian integers and bytes, never past the end.
class cursor {
 public:
  cursor(std::string_view bytes, char const* what) : bytes_(bytes), what_(what) {}

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) fail("is cut short");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  std::string_view rest() const { return bytes_.substr(at_); }
  bool done() const { return at_ == bytes_.size(); }
  std::int32_t integer() {
    std::uint32_t value = 0;
    for (char const byte : take(4)) value = value << 8 | static_cast<unsigned char>(byte);
    return static_cast<std::int32_t>(value);
  }
  /// A length that cannot exceed what is left.
  std::size_t length() {
    std::int32_t const n = integer();
    if (n < 0 || static_cast<std::size_t>(n) > bytes_.size() - at_) fail("holds a wrong length");
    return static_cast<std::size_t>(n);
  }
  [[noreturn]] void fail(char const* how) const {
    throw user_error(std::string(what_) + " " + how + " at byte " + std::to_string(at_));
  }

 private:
  std::string_view bytes_;
  char const* what_;
  std::size_t at_ = 0;
};

/// Inflates the stream at the cursor and moves behind it.
std::string inflate_entry(cursor& in) {
  constexpr std::int32_t most = 1 << 28;  // far above any novel: a wrong length must not ask for it
  std::int32_t const length = in.integer();
  if (length <= 0 || length > most) in.fail("holds a wrong length");
  std::string out(static_cast<std::size_t>(length), '\0');

  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) in.fail("cannot be inflated (zlib does not start)");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.rest().data()));
  stream.avail_in = static_cast<uInt>(in.rest().size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  int const answer = inflate(&stream, Z_FINISH);
  std::size_t const read = stream.total_in, written = stream.total_out;
  inflateEnd(&stream);
  if (answer != Z_STREAM_END || written != out.size()) in.fail("cannot be inflated");
  in.take(read);
  return out;
}

std::vector<std::string> parse_character_vector(std::string_view serialized) {
  enum : std::int32_t { type_mask = 0xff, character = 9, character_vector = 16, missing = -1 };
  cursor in(serialized, "the inflated R object");
  if (in.take(2) != "X\n") in.fail("is no XDR serialization");
  std::int32_t const version = in.integer();
  in.take(8);  // the versions of R that wrote it and that can read it
  if (version == 3)
    in.take(in.length());  // the native encoding's name
  else if (version != 2)
    in.fail("has an unknown version");
  if ((in.integer() & type_mask) != character_vector) in.fail("is no character vector");
  std::size_t const count = in.length();
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    if ((in.integer() & type_mask) != character) in.fail("holds something else than a string");
    if (cursor ahead = in; ahead.integer() == missing) {
      in = ahead;
      lines.emplace_back();
    } else {
      lines.emplace_back(in.take(in.length()));
    }
  }
  return lines;
}
}  // namespace

std::vector<std::vector<std::string>> read_r_strings(std::string_view file) {
  cursor in(file, "the Rdata.rdb file");
  std::vector<std::vector<std::string>> out;
  while (!in.done()) out.push_back(parse_character_vector(inflate_entry(in)));
  return out;
}
}  // namespace distill
