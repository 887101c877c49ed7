#include "distill/svg.hpp"

#include <cmath>

#include "distill/heat_map.hpp"
#include "distill/line_chart.hpp"
#include "test.hpp"

using namespace distill;

namespace {
/// Whether `text` is one well-formed XML document, as far as this project writes any.
bool well_formed(std::string const& text) {
  std::vector<std::string> open;
  std::size_t at = text.find("?>");
  if (text.rfind("<?xml ", 0) != 0 || at == text.npos) return false;
  bool root = false;
  for (at += 2; at < text.size();) {
    if (text[at] != '<') {
      if (text[at] == '>' || static_cast<unsigned char>(text[at]) < 9) return false;
      if (text[at] == '&') {
        std::size_t const end = text.find(';', at);
        std::string const entity = text.substr(at, end - at);
        if (entity != "&amp" && entity != "&lt" && entity != "&gt" && entity != "&quot" &&
            entity != "&apos")
          return false;
      }
      if (open.empty() && text[at] != '\n') return false;
      ++at;
      continue;
    }
    std::size_t const end = text.find('>', at);
    if (end == text.npos || (open.empty() && root)) return false;
    std::string tag = text.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.front() == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
      continue;
    }
    root = true;
    bool const closed = tag.back() == '/';
    if (closed) tag.pop_back();
    std::size_t name = tag.find(' ');
    if (!closed) open.push_back(tag.substr(0, name));
    while (name != tag.npos && name < tag.size()) {  // attributes: name="value"
      std::size_t const equals = tag.find("=\"", name);
      if (equals == tag.npos || tag[name] != ' ') return false;
      std::size_t const quote = tag.find('"', equals + 2);
      if (quote == tag.npos || tag.substr(equals + 2, quote - equals - 2).find('<') != tag.npos)
        return false;
      name = quote + 1;
    }
  }
  return root && open.empty();
}
}  // namespace

TEST_CASE("the judge of XML knows bad from good") {
  std::string const head = "<?xml version=\"1.0\"?>\n";
  CHECK(well_formed(head + "<a x=\"1\"><b/>&amp;</a>\n"));
  for (char const* bad :
       {"<a>", "<a></b>", "<a>&</a>", "<a/><b/>", "<a x=1/>", "<a x=\"<\"/>", "text"})
    CHECK_FALSE(well_formed(head + bad));
}

TEST_CASE("any bytes are escaped into XML") {
  CHECK(escaped("a<b & \"c\" 'd'>") == "a&lt;b &amp; &quot;c&quot; &apos;d&apos;&gt;");
  CHECK(escaped("\xe2\x96\x81the \xf0\x9f\x98\x80") == "\xe2\x96\x81the \xf0\x9f\x98\x80");
  std::string const replaced = "\xef\xbf\xbd";
  CHECK(escaped(std::string(1, '\0')) == replaced);
  CHECK(escaped("\x01") == replaced);
  CHECK(escaped("\xff") == replaced);
  CHECK(escaped("\xc3") == replaced);                                // cut short
  CHECK(escaped("\xc0\x80") == replaced + replaced);                 // overlong
  CHECK(escaped("\xed\xa0\x80") == replaced + replaced + replaced);  // a surrogate
  CHECK(escaped("\xef\xbf\xbf") == replaced + replaced + replaced);  // no character
}

TEST_CASE("coordinates are short and finite") {
  CHECK(number(1) == "1");
  CHECK(number(-0.001) == "0");
  CHECK(number(2.5) == "2.5");
  CHECK(number(100) == "100");
  CHECK(number(-3.256) == "-3.26");
  CHECK(number(INFINITY) == "0");
  CHECK(fixed(0.1, 3) == "0.100");
}

TEST_CASE("pictures are well-formed whatever their texts and values") {
  std::string const hostile = "<&\"'>\xff\x02";
  curve const c = {hostile, "#112233", {1, 2, 1.5}, {0.5, 1, 1}, {2, 3, 2}};
  curve const flat = {"flat", "#445566", {2, 2, 2}, {}, {}};
  curve const single = {"single", "#445566", {1e-9}, {}, {}};
  CHECK(well_formed(
      line_charts(hostile, hostile, {{hostile, hostile, hostile, {c, flat}}}, 300, 200).str()));
  CHECK(
      well_formed(line_charts("", "", {{"", "", "", {single}}, {"", "", "", {}}}, 300, 200).str()));
  CHECK(well_formed(line_charts("", "", {}, 300, 200).str()));

  heat_map map = {hostile,
                  hostile,
                  "rows",
                  "columns",
                  {hostile, "b"},
                  {"x", hostile, "z"},
                  matrix<double>::Random(2, 3).cwiseAbs()};
  CHECK(well_formed(map.draw().str()));
  map.values.setZero();
  CHECK(well_formed(map.draw().str()));
  CHECK(well_formed(heat_map{}.draw().str()));
}

TEST_CASE("a picture that cannot be written is an error") {
  CHECK_THROWS_WITH(svg(10, 10).write("/nowhere/at/all.svg"), ContainsSubstring("--out"));
}
