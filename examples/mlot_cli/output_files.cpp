#include "mlot_cli/output_files.hpp"

#include <filesystem>
#include <fstream>
#include <random>

#include "mlot_cli/npy.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace fs = std::filesystem;
namespace {
[[noreturn]] void refuse(std::string const& option, std::string const& path, char const* why) {
  throw user_error(option + ": " + path + " cannot be written: " + why);
}
/// The place that a path names: through links, also those to what does not exist yet.
fs::path place_of(fs::path path, std::error_code& problem) {
  constexpr int most_links = 40;  // as the system's own limit
  for (int links = 0; fs::is_symlink(fs::symlink_status(path, problem)); ++links) {
    if (links == most_links)
      problem = std::make_error_code(std::errc::too_many_symbolic_link_levels);
    fs::path const target = problem ? fs::path() : fs::read_symlink(path, problem);
    if (problem) return path;
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  problem.clear();
  fs::path const place = fs::weakly_canonical(path, problem);
  return problem ? path : place;
}
}  // namespace

output_files::~output_files() {
  std::error_code ignored;
  for (file const& f : files_) fs::remove(f.written, ignored);
}

void output_files::add(std::string const& option, std::string const& path,
                       std::function<void(std::ostream&)> const& write) {
  if (path.empty()) return;
  std::error_code problem;
  fs::path const place = place_of(path, problem);  // replaces what a link names, not the link
  if (problem) refuse(option, path, problem.message().c_str());
  if (fs::exists(place, problem) && !fs::is_regular_file(place, problem))
    refuse(option, path, "it is not a regular file");
  for (file const& other : files_)
    if (other.path == place) refuse(option, path, (other.option + " goes there").c_str());
  std::string const beside =
      place.string() + "." + std::to_string(std::random_device{}()) + ".part";
  std::ofstream out(beside, std::ios::binary);
  if (!out) refuse(option, path, "no file can be made there");
  files_.push_back({option, place.string(), beside});
  write(out);
  out.close();
  if (!out) refuse(option, path, "the disk does not take it");
}

template <class T>
void output_files::add(std::string const& option, std::string const& path,
                       std::span<index_t const> shape, std::span<T const> elements) {
  add(option, path, [&](std::ostream& out) { write_npy(out, shape, elements); });
}
template void output_files::add(std::string const&, std::string const&, std::span<index_t const>,
                                std::span<float const>);
template void output_files::add(std::string const&, std::string const&, std::span<index_t const>,
                                std::span<double const>);

void output_files::publish() {
  for (file& f : files_) {
    std::error_code problem;
    fs::rename(f.written, f.path, problem);
    if (problem) refuse(f.option, f.path, problem.message().c_str());
    f.written = f.path;
  }
}
}  // namespace mlot_cli
