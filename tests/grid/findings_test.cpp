#include "mlot/grid/findings.hpp"

#include <cmath>
#include <set>
#include <string>

#include "mlot/interop/describe.hpp"
#include "test.hpp"
using namespace mlot;

TEST_CASE("a word without findings is no fault", "[findings]") {
  CHECK(status_of_findings(finding_word::nothing).ok());
}

TEST_CASE("a finding is less than none, and findings are ordered by kind, row and column",
          "[findings]") {
  std::uint64_t const rising[] = {finding_word::of(finding::logit, 0, 0),
                                  finding_word::of(finding::logit, 0, 1),
                                  finding_word::of(finding::logit, 0),
                                  finding_word::of(finding::logit, 1, 0),
                                  finding_word::of(finding::logit, index_t(1) << 30, 7),
                                  finding_word::of(finding::logit, -1),
                                  finding_word::of(finding::row, 0, 0),
                                  finding_word::of(finding::matching, 0),
                                  finding_word::of(finding::matching, -1),
                                  finding_word::nothing};
  for (std::size_t n = 1; n < std::size(rising); ++n) CHECK(rising[n - 1] < rising[n]);
}

TEST_CASE("a finding's place comes back out of its word", "[findings]") {
  index_t const last_row = (index_t(1) << 31) - 2, last_column = (index_t(1) << 28) - 2;
  for (index_t const row : {index_t(-1), index_t(0), index_t(17), last_row})
    for (index_t const column : {index_t(-1), index_t(0), index_t(151935), last_column}) {
      status const s = status_of_findings(finding_word::of(finding::cost, row, column));
      CHECK(int(s.code) == int(fault::data));
      CHECK(s.argument == std::string("sinkhorn.cost"));
      CHECK(std::isnan(s.value));
      CHECK(s.row == row);
      CHECK(s.column == column);
    }
}

TEST_CASE("a place too large for the word is nowhere, and spoils nothing beside it", "[findings]") {
  for (int const shift : {0, 1, 20}) {
    index_t const row = (index_t(1) << (31 + shift)) - 1, column = (index_t(1) << (28 + shift)) - 1;
    status const both = status_of_findings(finding_word::of(finding::label, row, column));
    CHECK(both.argument == std::string("labels"));
    CHECK(both.row == -1);
    CHECK(both.column == -1);
    CHECK(status_of_findings(finding_word::of(finding::label, 5, column)).row == 5);
    CHECK(status_of_findings(finding_word::of(finding::label, row, 5)).column == 5);
  }
}

TEST_CASE("every finding is a fault of its own, with a sentence", "[findings]") {
  std::set<std::string> sentences;
  int const kinds = int(finding::matching) + 1;
  for (int kind = 0; kind < kinds; ++kind) {
    status const s = status_of_findings(finding_word::of(finding(kind), 3));
    CHECK(!s.ok());
    CHECK(std::string(s.allowed) != "");
    sentences.insert(describe(s));
  }
  CHECK(int(sentences.size()) == kinds);
}
