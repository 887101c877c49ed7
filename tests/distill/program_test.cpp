// The program as people run it: without a network, on a text of its own making.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "distill/mlot_step.hpp"
#include "random.hpp"
#include "test.hpp"

#ifdef MLOT_TEST_DISTILL
namespace fs = std::filesystem;

namespace {
std::string bytes_of(fs::path const& file) {
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

  int run(std::string const& arguments, std::string const& environment = "") const {
    std::string const command = "cd '" + folder_.string() + "' && " + environment +
                                "'" MLOT_TEST_DISTILL "' " + arguments + " >out 2>err";
    int const state = std::system(command.c_str());
    return state > 255 ? state >> 8 : state;
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

void refuses(std::string const& arguments, std::string const& word) {
  CAPTURE(arguments);
  workplace const here;
  CHECK(here.run(arguments) == 2);
  std::string const said = bytes_of(here / "err");
  CAPTURE(said);
  CHECK(said.find(word) != said.npos);
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
  CHECK(bytes_of(here / "out").empty());
}
}  // namespace

TEST_CASE("a quick run reports and draws, the same on one thread and on three") {
  workplace const here;
  here.write_text();
  REQUIRE(here.run("--quick --corpus text --out one --threads 1") == 0);
  std::string const said = bytes_of(here / "out");
  for (char const* word : {"bits/byte", "HAD", "SL", "SD", "% in the loss"})
    CHECK(said.find(word) != said.npos);
  REQUIRE(here.run("--quick --corpus text --out two --threads 3") == 0);
  for (char const* name : {"bits_per_byte.svg", "terms.svg", "transport_plan.svg"}) {
    std::string const picture = bytes_of(here / (std::string("one/") + name));
    CHECK(picture.rfind("<?xml", 0) == 0);
    CHECK(picture == bytes_of(here / (std::string("two/") + name)));
  }
}

TEST_CASE("the gradients are checked on demand") {
  workplace const here;
  CHECK(here.run("--check") == 0);
  CHECK(here.run("--check --device scalar --k 7 --epsilon 0.05 --iterations 3") == 0);
}

TEST_CASE("bad values end with one line and 2") {
  refuses("--seeds 0", "--seeds");
  refuses("--epochs x", "--epochs");
  refuses("--k 0", "--k");
  refuses("--epsilon 0", "--epsilon");
  refuses("--epsilon nan", "--epsilon");
  refuses("--alpha -1", "--alpha");
  refuses("--beta inf", "--beta");
  refuses("--iterations 0", "--iterations");
  refuses("--device tpu", "--device");
  if (!distill::available(distill::loss_device::cuda)) refuses("--device cuda", "--device cuda");
  refuses("--threads 0", "--threads");
  refuses("--nonsense", "--nonsense");
  refuses("--corpus nowhere.txt", "nowhere.txt");
  refuses("--corpus .", "--corpus");
  refuses("--corpus /dev/null --out /dev/null/x", "--out");
}

TEST_CASE("a corpus too small is refused") {
  workplace const here;
  std::ofstream(here / "text") << "Just one sentence.\n";
  CHECK(here.run("--corpus text") == 2);
  CHECK(bytes_of(here / "err").find("too small") != std::string::npos);
}

TEST_CASE("without apt-get the way out is named") {
  workplace const here;
  CHECK(here.run("--out new", "PATH=/nowhere ") == 2);
  CHECK(bytes_of(here / "err").find("--corpus FILE") != std::string::npos);
}
#endif
