#include "mlot_cli/byte_source.hpp"

#include <filesystem>

#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
byte_source::byte_source(std::string const& path) {
  namespace fs = std::filesystem;
  std::error_code problem;
  fs::file_status const what = fs::status(path, problem);
  if (!fs::exists(what)) throw user_error("does not exist");
  if (!fs::is_regular_file(what)) throw user_error("is not a regular file");
  left_ = fs::file_size(path, problem);
  file_.open(path, std::ios::binary);
  if (problem || !file_) throw user_error("cannot be read");
}

std::string byte_source::text(std::uint64_t size) {
  if (size > left_) throw user_error("ends within its header");
  std::string bytes(size, '\0');
  read(bytes.data(), size);
  return bytes;
}

void byte_source::read(void* to, std::uint64_t size) {
  left_ -= size;
  if (!file_.read(static_cast<char*>(to), static_cast<std::streamsize>(size)))
    throw user_error("cannot be read to its end");
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}
}  // namespace mlot_cli
