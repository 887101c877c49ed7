#include "distill/austen.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "distill/r_strings.hpp"

namespace distill {
namespace {
namespace fs = std::filesystem;

constexpr char package[] = "r-cran-janeaustenr";
constexpr char way_out[] = "pass a plain text of your own with --corpus FILE";

/// As one word for the shell.
std::string quoted(fs::path const& path) {
  std::string out = "'";
  for (char const c : path.string()) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

fs::path find_data_file(fs::path const& unpacked) {
  for (auto const& entry : fs::recursive_directory_iterator(unpacked))
    if (entry.path().filename() == "Rdata.rdb") return entry.path();
  throw user_error(std::string(package) + " holds no Rdata.rdb; " + way_out);
}

void fetch(fs::path const& data_file) {
  fs::path const folder = data_file.parent_path() / "fetch", log = data_file.parent_path() / "log";
  fs::remove_all(folder);
  fs::create_directories(folder / "unpacked");
  std::string const command =
      "{ cd " + quoted(folder) + " && apt-get -o Acquire::Retries=1 download " + package +
      " && dpkg-deb -x " + package + "_*.deb unpacked; } >" + quoted(fs::absolute(log)) + " 2>&1";
  if (std::system(command.c_str()) != 0)
    throw user_error(std::string("the novels need `apt-get download ") + package +
                     "` (Debian or Ubuntu, with a network), which failed, see " + log.string() +
                     "; " + way_out);
  fs::rename(find_data_file(folder / "unpacked"), data_file);
  fs::remove_all(folder);
  fs::remove(log);
}
}  // namespace

std::vector<std::vector<std::string>> austen_novels(fs::path const& cache) {
  fs::path const data_file = cache / "janeaustenr.rdb";
  if (!fs::exists(data_file)) fetch(data_file);
  std::ifstream in(data_file, std::ios::binary);
  std::string const bytes(std::istreambuf_iterator<char>(in), {});
  try {
    return read_r_strings(bytes);
  } catch (user_error const& wrong) {
    throw user_error(data_file.string() + ": " + wrong.what() +
                     "; remove it to fetch it again, or " + way_out);
  }
}
}  // namespace distill
