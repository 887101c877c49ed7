#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
namespace mlot_cli {
/// The bytes of a file from its beginning, never more than it has left. Throws user_error without
/// the file's name: its users put it in front.
class byte_source {
 public:
  explicit byte_source(std::string const& path);
  std::uint64_t left() const { return left_; }
  /// The next `size` bytes, of a header.
  std::string text(std::uint64_t size);
  void read(void* to, std::uint64_t size);

 private:
  std::ifstream file_;
  std::uint64_t left_ = 0;
};

std::uint64_t little_endian(std::string_view bytes);
}  // namespace mlot_cli
