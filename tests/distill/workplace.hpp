#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.hpp"
/// A folder in which programs are run as people run them.
namespace distill_test {
namespace fs = std::filesystem;

inline std::string bytes_of(fs::path const& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class workplace {
 public:
  workplace() {
    std::string name = (fs::temp_directory_path() / "mlot_distill_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = name;
  }
  workplace(workplace const&) = delete;
  workplace& operator=(workplace const&) = delete;
  ~workplace() { fs::remove_all(folder_); }
  fs::path operator/(std::string const& name) const { return folder_ / name; }

  /// What it says lies in the files out and err.
  int run(std::string const& program, std::string const& arguments,
          std::string const& environment = "") const {
    std::string const command = "cd '" + folder_.string() + "' && " + environment + "'" + program +
                                "' " + arguments + " >out 2>err";
    int const state = std::system(command.c_str());
    return state > 255 ? state >> 8 : state;
  }
  void write(std::string const& name, std::string const& text) const {
    std::ofstream(folder_ / name) << text;
  }
  /// Text with some grammar: 400 sentences in paragraphs.
  void write_text() const {
    random_source random(2);
    auto const pick = [&](std::vector<std::string> const& words) {
      return words[std::size_t(random.below(std::int64_t(words.size())))];
    };
    std::ofstream out(folder_ / "text");
    for (int s = 0; s < 400; ++s)
      out << pick({"The", "A", "Every", "No"}) << ' ' << pick({"quiet", "small", "proud", "clever"})
          << ' ' << pick({"sister", "captain", "clergyman", "garden", "letter"}) << ' '
          << pick({"walked", "wrote", "smiled", "waited"})
          << pick({" in the park", " at noon", "", ", they said"}) << (s % 5 == 4 ? ".\n\n" : ". ");
  }

 private:
  fs::path folder_;
};
}  // namespace distill_test
