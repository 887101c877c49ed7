// The paper's experiments: what they ask for, and a run of them as people start it.
#ifdef MLOT_TEST_EXPERIMENTS
#  include <rapidjson/document.h>

#  include <cmath>
#  include <set>

#  include "distill/workplace.hpp"
#  include "experiments/table.hpp"
#  include "test.hpp"

using namespace experiments;
using distill_test::bytes_of;
using distill_test::workplace;

namespace {
constexpr int seeds = 2;

rapidjson::Document parsed(std::filesystem::path const& file) {
  rapidjson::Document out;
  out.Parse(bytes_of(file).c_str());
  CAPTURE(file.string());
  REQUIRE_FALSE(out.HasParseError());
  return out;
}

std::string line_with(std::string const& text, std::string const& word) {
  auto const at = text.find(word);
  if (at == text.npos) return {};
  auto const first = text.rfind('\n', at) + 1;
  return text.substr(first, text.find('\n', at) - first);
}
}  // namespace

TEST_CASE("every table compares rows of its own, with losses that fit their tokenizers") {
  for (bool const quick : {false, true}) {
    std::set<std::string> names;
    for (table const& t : all_tables(quick)) {
      CAPTURE(t.name);
      CHECK(names.insert(t.name).second);
      std::set<std::string> labels;
      for (std::size_t i = 0; i < t.rows.size(); ++i) {
        row const& r = t.rows[i];
        CAPTURE(r.label);
        CHECK(labels.insert(r.label).second);
        CHECK(r.against < index_t(i));
        if (r.against >= 0) CHECK_FALSE(r.of == t.rows[std::size_t(r.against)].of);
        CHECK((r.of.course.one_vocabulary() || !facts_of(r.of.training.loss.kind).one_vocabulary));
      }
    }
  }
}

TEST_CASE("tables share runs: cross-entropy alone is one trial, and so is the paper's loss") {
  auto const tables = all_tables(false);
  trial const plain = tables[0].rows[0].of;
  for (table const& t : tables) CHECK(t.rows[0].of == plain);
  CHECK(tables[0].rows[5].of == tables[1].rows[1].of);
}

TEST_CASE("a quick run writes numbers, and they become tables") {
  workplace const here;
  here.write_text();
  REQUIRE(here.run(MLOT_TEST_EXPERIMENTS,
                   "terms columns lengths --quick --corpus text --out results --seeds " +
                       std::to_string(seeds)) == 0);
  CHECK_FALSE(std::filesystem::exists(here / "results/epsilon.json"));
  auto const terms = parsed(here / "results/terms.json");
  auto const& rows = terms["rows"];
  REQUIRE(rows.Size() == 7);
  std::set<double> distinct;
  for (auto const& r : rows.GetArray())
    for (char const* key : {"last_bits", "best_bits", "step_milliseconds"}) {
      REQUIRE(r[key].Size() == seeds);
      for (auto const& x : r[key].GetArray()) {
        CHECK(std::isfinite(x.GetDouble()));
        CHECK(x.GetDouble() > 0);
        if (key == std::string("last_bits")) distinct.insert(x.GetDouble());
      }
    }
  CHECK(distinct.size() == std::size_t(7 * seeds));  // every row is another objective
  auto const lengths = parsed(here / "results/lengths.json");
  REQUIRE(lengths["rows"].Size() == 2);
  for (auto const& r : lengths["rows"].GetArray()) {
    CHECK(r["seconds"].GetDouble() > 0);
    CHECK(r["streamed_bytes"].GetDouble() < r["bytes"].GetDouble());
  }

  if (here.run("python3", "-c pass") != 0) {
    WARN("no python3: the tables are not written");
    return;
  }
  std::string const page = "before\n<!-- table terms -->\nold\n<!-- end of terms -->\n";
  here.write("page", page);
  CHECK(here.run("python3", MLOT_TEST_TABLES " results --page page") != 0);
  CHECK(bytes_of(here / "err").find("no place for the table columns") != std::string::npos);
  CHECK(bytes_of(here / "page") == page);
  here.write("page", page +
                         "<!-- table columns --><!-- end of columns -->"
                         "<!-- table lengths --><!-- end of lengths -->");
  REQUIRE(here.run("python3", MLOT_TEST_TABLES " results --page page") == 0);
  std::string const made = bytes_of(here / "page");
  CHECK(made.find("old") == made.npos);
  CHECK(made.rfind("before\n", 0) == 0);
  std::string const all = line_with(made, "| CE + all terms, alpha = 1 |");
  CHECK(std::count(all.begin(), all.end(), '|') == 7);
  double sum = 0;
  for (auto const& x : rows[6]["last_bits"].GetArray()) sum += x.GetDouble();
  char mean[16];
  std::snprintf(mean, sizeof mean, "| %.3f [", sum / seeds);
  CHECK(all.find(mean) != all.npos);
  CHECK((all.find("noise") != all.npos));
  CHECK_FALSE(line_with(made, "| k = 300 |").empty());
  CHECK_FALSE(line_with(made, "| 128 |").empty());
}
#endif
