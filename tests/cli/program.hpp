#pragma once
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "golden/npz.hpp"
#include "test.hpp"
/// Runs mlot_cli in a folder of its own, without a shell.
namespace cli_test {
namespace fs = std::filesystem;
using words = std::vector<std::string>;

inline words operator+(words left, words const& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// The words of a text without quotes.
inline words split(std::string const& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

inline std::string bytes_of(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// An .npy file as NumPy writes it; `type` is its dtype, `shape` a tuple such as "(2, 3)".
template <class T>
std::string npy(std::string const& type, std::string const& shape, std::vector<T> const& elements,
                char version = 1) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  std::size_t const before = version == 1 ? 10 : 12;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  for (std::size_t i = 0; i < before - 8; ++i)
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  bytes += header;
  std::size_t const first = bytes.size();
  bytes.resize(first + elements.size() * sizeof(T));
  if (!elements.empty())
    std::memcpy(bytes.data() + first, elements.data(), elements.size() * sizeof(T));
  return bytes;
}

struct outcome {
  int code = -1;  ///< exit code, -1 where it did not exit by itself
  std::string out, err;
};

/// A folder that lives as long as this, and the program run within it.
class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "mlot_cli_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  std::string file(std::string const& name) const { return (path_ / name).string(); }
  std::string write(std::string const& name, std::string const& bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }
  bool has(std::string const& name) const { return fs::exists(file(name)); }
  golden::array array(std::string const& name) const {
    return golden::detail::read_npy(bytes_of(file(name)));
  }
  /// How many files and folders there are.
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), {}));
  }

  outcome run(words const& arguments) const {
    words all = words{MLOT_TEST_CLI} + arguments;
    std::vector<char*> pointers;
    for (std::string& word : all) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    std::string const out = file("stdout"), err = file("stderr");
    posix_spawn_file_actions_t redirect;
    posix_spawn_file_actions_init(&redirect);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&redirect, 1, out.c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&redirect, 2, err.c_str(), flags, 0600);
    pid_t child = 0;
    int const problem =
        posix_spawn(&child, MLOT_TEST_CLI, &redirect, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&redirect);
    int state = 0;
    if (problem != 0 || waitpid(child, &state, 0) != child)
      throw std::runtime_error("mlot_cli cannot be run");
    outcome const result{WIFEXITED(state) ? WEXITSTATUS(state) : -1, bytes_of(out), bytes_of(err)};
    fs::remove(out);
    fs::remove(err);
    return result;
  }
  /// Exit code 2, one line on stderr that has `parts`, nothing on stdout, no new file.
  void refuses(words const& arguments, words const& parts) const {
    std::size_t const before = count();
    outcome const result = run(arguments);
    CAPTURE(arguments, result.err);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.ends_with('\n'));
    for (std::string const& part : parts) CHECK(result.err.find(part) != std::string::npos);
    CHECK(count() == before);
  }

 private:
  fs::path path_;
};

/// The text behind "key": up to the end of its line, without a comma.
inline std::string value_of(std::string const& json, std::string const& key) {
  std::string const before = "\"" + key + "\": ";
  auto const at = json.find(before);
  if (at == json.npos) throw std::runtime_error("no " + key + " in " + json);
  std::string value = json.substr(at + before.size());
  value.resize(value.find('\n'));
  if (value.ends_with(',')) value.pop_back();
  return value;
}
inline double number_of(std::string const& json, std::string const& key) {
  return std::strtod(value_of(json, key).c_str(), nullptr);
}
}  // namespace cli_test
