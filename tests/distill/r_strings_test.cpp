#include "distill/r_strings.hpp"

#include <zlib.h>

#include "test.hpp"

using namespace distill;
using lines = std::vector<std::string>;

namespace {
std::string integer(std::int64_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += char(value >> shift & 0xff);
  return out;
}

struct layout {
  int version = 3;
  std::string magic = "X\n";
  int vector_type = 16, string_type = 9;
  std::int64_t count = -1;  ///< as it is
};

std::string serialized(lines const& text, layout const& l = {}) {
  std::string out = l.magic + integer(l.version) + integer(0x40201) + integer(0x30500);
  if (l.version == 3) out += integer(5) + "UTF-8";
  out += integer(l.vector_type) + integer(l.count >= 0 ? l.count : std::int64_t(text.size()));
  for (std::string const& line : text)
    out += integer(0x40000 | l.string_type) +
           (line == "NA" ? integer(-1) : integer(std::int64_t(line.size())) + line);
  return out;
}

std::string deflated(std::string const& bytes, std::int64_t length = -1) {
  uLongf size = compressBound(uLong(bytes.size()));
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<Bytef const*>(bytes.data()), uLong(bytes.size()));
  return integer(length >= 0 ? length : std::int64_t(bytes.size())) + out.substr(0, size);
}
lines const novel = {"EMMA", "", "By Jane Austen", "caf\xc3\xa9"};
}  // namespace

TEST_CASE("R's character vectors are read, entry by entry") {
  std::string const file = deflated(serialized(novel)) + deflated(serialized({"a", "NA", "b"}));
  auto const read = read_r_strings(file);
  REQUIRE(read.size() == 2);
  CHECK(read[0] == novel);
  CHECK(read[1] == lines{"a", "", "b"});
  CHECK(read_r_strings(deflated(serialized(novel, {.version = 2})))[0] == novel);
  CHECK(read_r_strings("").empty());
}

TEST_CASE("R data cut short anywhere is an error") {
  std::string const file = deflated(serialized(novel));
  for (std::size_t size = 1; size < file.size(); ++size)
    CHECK_THROWS_AS(read_r_strings(file.substr(0, size)), user_error);
  std::string const whole = serialized(novel);
  for (std::size_t size = 1; size < whole.size(); ++size)
    CHECK_THROWS_AS(read_r_strings(deflated(whole.substr(0, size))), user_error);
}

TEST_CASE("R data that is something else is an error") {
  auto const refuses = [](std::string const& file) {
    CHECK_THROWS_AS(read_r_strings(file), user_error);
  };
  refuses("not at all what was expected");
  refuses(deflated(serialized(novel, {.version = 4})));
  refuses(deflated(serialized(novel, {.magic = "A\n"})));
  refuses(deflated(serialized(novel, {.vector_type = 19})));
  refuses(deflated(serialized(novel, {.string_type = 14})));
  refuses(deflated(serialized(novel, {.count = 5})));
  refuses(deflated(serialized(novel, {.count = 0x7fffffff})));
  refuses(deflated(serialized(novel, {.count = 0xffffffff})));
  refuses(deflated(serialized(novel), 10));          // longer than said
  refuses(deflated(serialized(novel), 10000));       // shorter than said
  refuses(deflated(serialized(novel), 0x7fffffff));  // asks for 2 GiB
  refuses(deflated(serialized(novel), 0xffffffff));  // negative
  refuses(deflated(serialized(novel)) + "rest");
}

TEST_CASE("R data with any byte changed is read or refused, never more") {
  std::string const whole = serialized(novel);
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (char const value : {'\0', '\x7f', '\xff'}) {
      std::string changed = whole;
      changed[at] = value;
      try {
        read_r_strings(deflated(changed));
      } catch (user_error const&) {
      }
    }
  SUCCEED();
}
