#include "distill/segments.hpp"

#include "distill/corpus.hpp"
#include "random.hpp"
#include "test.hpp"

using namespace distill;
using strings = std::vector<std::string>;

namespace {
std::string without_spaces(std::string_view text) {
  std::string out;
  for (char const c : text)
    if (c != ' ') out += c;
  return out;
}
}  // namespace

TEST_CASE("paragraphs join lines and single out spaces") {
  strings const lines = {"  It  is a", "truth\tuniversally ", "", "   ", "acknowledged.\r"};
  CHECK(paragraphs(lines, false) == strings{"It is a truth universally", "acknowledged."});
  CHECK(paragraphs(strings{"_very_ well_"}, true) == strings{"very well"});
  CHECK(paragraphs(strings{"a _ b"}, true) == strings{"a b"});
  CHECK(paragraphs(strings{"_very_"}, false) == strings{"_very_"});
  CHECK(paragraphs(strings{}, false).empty());
}

TEST_CASE("segments end where sentences end") {
  CHECK(segments("One two. Three four. Five.", 21) == strings{"One two. Three four.", "Five."});
  CHECK(segments("One two. Three four. Five.", 20) == strings{"One two. Three four.", "Five."});
  CHECK(segments("One two. Three four. Five.", 19) == strings{"One two.", "Three four. Five."});
  CHECK(segments("\"Go!\" (He went.) So.", 17) == strings{"\"Go!\" (He went.)", "So."});
  CHECK(segments("Short.", 240) == strings{"Short."});
  CHECK(segments("", 240).empty());
}

TEST_CASE("long sentences are cut at spaces, long words between characters") {
  CHECK(segments("alpha beta gamma", 10) == strings{"alpha beta", "gamma"});
  CHECK(segments("alphabetagamma", 5) == strings{"alpha", "betag", "amma"});
  CHECK(segments("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 5) ==
        strings{"\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xa9"});
  CHECK(segments(std::string(9, '\x80'), 4).size() == 6);  // no UTF-8 at all: still ends
}

TEST_CASE("segments lose no byte and keep the limit") {
  random_source random(5);
  std::string const letters = "aaaabcde   ..!?\"')\xc3";
  for (int round = 0; round < 300; ++round) {
    strings line(1);
    for (auto length = random.below(400); length > 0; --length)
      line[0] += letters[std::size_t(random.below(index_t(letters.size())))];
    for (std::string const& paragraph : paragraphs(line, false)) {
      std::size_t const limit = std::size_t(4 + random.below(60));
      std::string joined;
      for (std::string const& segment : segments(paragraph, limit)) {
        CHECK(segment.size() <= limit);
        CHECK(!segment.empty());
        CHECK(segment.front() != ' ');
        CHECK(segment.back() != ' ');
        joined += without_spaces(segment);
      }
      REQUIRE(joined == without_spaces(paragraph));
    }
  }
}
