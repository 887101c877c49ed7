#pragma once
#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "mlot/core/status.hpp"
namespace mlot_cli {
using mlot::index_t;

/// Files that appear together or not at all: written beside their places under names of their
/// own, then moved there by publish(). What is published and not kept is removed again.
class output_files {
 public:
  output_files() = default;
  output_files(output_files const&) = delete;
  output_files& operator=(output_files const&) = delete;
  ~output_files();

  /// Throws user_error beginning with `option` where the file cannot be written. An empty path is
  /// no file. T: float or double.
  template <class T>
  void add(std::string const& option, std::string const& path, std::span<index_t const> shape,
           std::span<T const> elements);
  void add(std::string const& option, std::string const& path,
           std::function<void(std::ostream&)> const& write);
  void publish();
  void keep() { files_.clear(); }

 private:
  struct file {
    std::string option, path, written;  ///< `written`: where it lies now
  };
  std::vector<file> files_;
};
}  // namespace mlot_cli
