#include "mlot/core/token_rows.hpp"

#include <utility>
#include <vector>

#include "mlot/interop/owned.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using numbers = std::vector<index_t>;
host::vector<index_t const> view(numbers const& x) { return {x.data(), index_t(x.size())}; }
numbers copy(host::vector<index_t const> x) {
  numbers all;
  for (index_t i = 0; i < x.size; ++i) all.push_back(x(i));
  return all;
}
struct memory {
  explicit memory(std::size_t sequences, std::size_t tokens) : offset(sequences + 1), row(tokens) {}
  numbers offset, row;
  token_rows_storage lent() {
    return {{offset.data(), index_t(offset.size())}, {row.data(), index_t(row.size())}};
  }
};
/// A result that was there before, to see whether a fault leaves it alone.
token_rows<> const before{.longest = 77};

struct answer {
  fault code;
  std::string argument;
  double value;
  index_t row;
  friend bool operator==(answer const&, answer const&) = default;
};
answer of(status const& s) { return {s.code, s.argument, s.value, s.row}; }
}  // namespace

TEST_CASE("padded lengths become the first rows of every padded sequence", "[token_rows]") {
  memory m(4, 20);
  token_rows<> out;
  REQUIRE(rows_from_lengths(view({3, 0, 5, 1}), 5, m.lent(), out).ok());
  CHECK(out.sequences() == 4);
  CHECK(out.tokens() == 9);
  CHECK(out.longest == 5);
  CHECK(copy(out.offset) == numbers{0, 3, 3, 8, 9});
  CHECK(copy(out.row) == numbers{0, 1, 2, 10, 11, 12, 13, 14, 15});
  CHECK(out.count(1) == 0);
  CHECK(out.first(2) == 3);
  CHECK(out.check("t", 20).ok());
}

TEST_CASE("packed offsets become consecutive rows", "[token_rows]") {
  memory m(3, 6);
  token_rows<> out;
  REQUIRE(rows_from_offsets(view({2, 5, 5, 8}), m.lent(), out).ok());
  CHECK(copy(out.offset) == numbers{0, 3, 3, 6});
  CHECK(copy(out.row) == numbers{2, 3, 4, 5, 6, 7});
  CHECK(out.longest == 3);
  CHECK(out.check("t", 8).ok());
}

TEST_CASE("labels leave out ignored positions, holes and whole sequences", "[token_rows]") {
  numbers const labels{-100, 7,    -100, 9,     //
                       -100, -100, -100, -100,  //
                       1,    2,    3,    -100};
  memory m(4, 12);
  token_rows<> out;
  REQUIRE(rows_from_labels({labels.data(), 3, 4, 4}, -100, m.lent(), out).ok());
  CHECK(copy(out.offset) == numbers{0, 2, 2, 5});
  CHECK(copy(out.row) == numbers{1, 3, 8, 9, 10});
  CHECK(out.longest == 3);
  REQUIRE(rows_from_labels({labels.data(), 4, 3, 1, 4}, 7, m.lent(), out).ok());  // transposed
  CHECK(copy(out.row) == numbers{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_CASE("a batch without sequences has no tokens", "[token_rows]") {
  memory m(0, 0);
  token_rows<> out;
  REQUIRE(rows_from_lengths({}, 5, m.lent(), out).ok());
  CHECK(out.sequences() == 0);
  CHECK(out.tokens() == 0);
  CHECK(out.check("t", 0).ok());
  REQUIRE(rows_from_offsets(view({0}), m.lent(), out).ok());
  CHECK(out.sequences() == 0);
  REQUIRE(rows_from_labels({nullptr, 0, 4, 4}, -100, m.lent(), out).ok());
  CHECK(out.sequences() == 0);
  CHECK(token_rows<>{}.check("t", 0).ok());
}

TEST_CASE("too little storage answers which and how much there was", "[token_rows]") {
  token_rows<> out = before;
  memory small_offsets(1, 9), small_rows(2, 4), none(0, 0);
  CHECK(of(rows_from_lengths(view({2, 3}), 3, small_offsets.lent(), out)) ==
        answer{fault::shape, "token_rows_storage.offset", 2, -1});
  CHECK(of(rows_from_lengths(view({2, 3}), 3, small_rows.lent(), out)) ==
        answer{fault::shape, "token_rows_storage.row", 4, -1});
  CHECK(of(rows_from_offsets(view({0, 2, 5}), small_rows.lent(), out)) ==
        answer{fault::shape, "token_rows_storage.row", 4, -1});
  numbers const labels(6, 1);
  CHECK(of(rows_from_labels({labels.data(), 2, 3, 3}, -100, small_rows.lent(), out)) ==
        answer{fault::shape, "token_rows_storage.row", 4, -1});
  CHECK(of(rows_from_lengths(view({1}), 3, {}, out)) ==
        answer{fault::shape, "token_rows_storage.offset", 0, -1});
  CHECK(out.longest == 77);
  CHECK(out.offset.empty());
}

TEST_CASE("bad lengths, offsets and labels are answered and change nothing", "[token_rows]") {
  token_rows<> out = before;
  memory m(3, 30);
  CHECK(of(rows_from_lengths(view({2, 6}), 5, m.lent(), out)) ==
        answer{fault::data, "rows_from_lengths.length", 6, 1});
  CHECK(of(rows_from_lengths(view({-1}), 5, m.lent(), out)) ==
        answer{fault::data, "rows_from_lengths.length", -1, 0});
  CHECK(of(rows_from_lengths(view({1}), -5, m.lent(), out)) ==
        answer{fault::value, "rows_from_lengths.padded_length", -5, -1});
  CHECK(of(rows_from_offsets(view({0, 3, 2}), m.lent(), out)) ==
        answer{fault::data, "rows_from_offsets.offset", 2, 2});
  CHECK(of(rows_from_offsets(view({-1, 3}), m.lent(), out)) ==
        answer{fault::data, "rows_from_offsets.offset", -1, 0});
  CHECK(of(rows_from_offsets({}, m.lent(), out)) ==
        answer{fault::shape, "rows_from_offsets.offset", 0, -1});
  CHECK(of(rows_from_labels({nullptr, 2, 3, 3}, -100, m.lent(), out)) ==
        answer{fault::shape, "rows_from_labels.labels", 0, -1});
  CHECK(rows_from_labels({m.row.data(), -1, 3, 3}, -100, m.lent(), out).code == fault::shape);
  CHECK(out.longest == 77);
  CHECK(out.offset.empty());
  CHECK(m.row == numbers(30));
}

TEST_CASE("no memory behind a length, an offset or a row is answered", "[token_rows]") {
  token_rows<> out = before;
  memory m(3, 30);
  CHECK(rows_from_lengths({nullptr, 2}, 5, m.lent(), out).code == fault::shape);
  CHECK(rows_from_offsets({nullptr, 2}, m.lent(), out).code == fault::shape);
  CHECK(rows_from_lengths(view({2}), 5, {m.lent().offset, {nullptr, 9}}, out).code == fault::shape);
  CHECK(out.longest == 77);
}

TEST_CASE("check names the argument and the value that is wrong in token rows", "[token_rows]") {
  numbers const offset{0, 2, 5}, row{0, 3, 4, 6, 9};
  token_rows<> const right{view(offset), view(row), 3};
  CHECK(right.check("t", 10).ok());
  auto const wrong = [&](numbers const& offsets, numbers const& rows, index_t longest) {
    return of(token_rows<>{view(offsets), view(rows), longest}.check("t", 10));
  };
  CHECK(wrong({1, 2, 5}, row, 3) == answer{fault::shape, "t", 1, -1});
  CHECK(wrong({0, 3, 2, 5}, row, 3) == answer{fault::shape, "t", -1, -1});
  CHECK(wrong({0, 2, 4}, row, 2) == answer{fault::shape, "t", 4, -1});
  CHECK(wrong({0, 2, 6}, row, 4) == answer{fault::shape, "t", 6, -1});
  CHECK(wrong(offset, row, 4) == answer{fault::shape, "t", 4, -1});
  CHECK(wrong(offset, row, 2) == answer{fault::shape, "t", 2, -1});
  CHECK(wrong(offset, {0, 3, 3, 6, 9}, 3) == answer{fault::shape, "t", 3, -1});
  CHECK(wrong(offset, {0, 3, 2, 6, 9}, 3) == answer{fault::shape, "t", 2, -1});
  CHECK(wrong(offset, {0, 3, 4, 6, 10}, 3) == answer{fault::shape, "t", 10, -1});
  CHECK(wrong(offset, {-2, 3, 4, 6, 9}, 3) == answer{fault::shape, "t", -2, -1});
  CHECK(token_rows<>{{}, view(row), 3}.check("t", 10).code == fault::shape);
  CHECK(token_rows<>{view(offset), {nullptr, 5}, 3}.check("t", 10).code == fault::shape);
  CHECK(token_rows<>{{nullptr, 3}, view(row), 3}.check("t", 10).code == fault::shape);
}

TEST_CASE("absent tokens are -1 among rising rows", "[token_rows]") {
  numbers const offset{0, 3, 5}, row{-1, 0, -1, 7, -1};
  token_rows<> const tokens{view(offset), view(row), 3};
  CHECK(tokens.check("t", 8).ok());
  CHECK(tokens.check("t", 7).code == fault::shape);
  numbers const falling{5, -1, 4, -1, -1};
  CHECK(token_rows<>{view(offset), view(falling), 3}.check("t", 8).code == fault::shape);
}

TEST_CASE("device token rows are checked by size alone", "[token_rows]") {
  index_t const* const elsewhere = reinterpret_cast<index_t const*>(64);
  token_rows<device_memory> const tokens{{elsewhere, 3}, {elsewhere, 5}, 3};
  CHECK(tokens.check("t", 10).ok());
  CHECK(token_rows<device_memory>{{}, {elsewhere, 5}, 3}.check("t", 10).code == fault::shape);
}

TEST_CASE("owned token rows keep the memory and follow a refill", "[token_rows]") {
  owned_token_rows owned;
  REQUIRE(owned.from_lengths(view({2, 1}), 4).ok());
  CHECK(copy(owned.view().row) == numbers{0, 1, 4});
  REQUIRE(owned.from_offsets(view({0, 4})).ok());
  CHECK(copy(owned.view().row) == numbers{0, 1, 2, 3});
  numbers const labels{-100, 1, 2, -7};
  REQUIRE(owned.from_labels({labels.data(), 2, 2, 2}).ok());
  CHECK(copy(owned.view().row) == numbers{1, 2, 3});
  REQUIRE(owned.from_labels({labels.data(), 2, 2, 2}, -7).ok());
  CHECK(copy(owned.view().row) == numbers{0, 1, 2});
  for (bool const lengths : {true, false}) {  // after a fault there are no rows
    REQUIRE(owned.from_offsets(view({0, 4})).ok());
    CHECK_FALSE(
        (lengths ? owned.from_lengths(view({9}), 4) : owned.from_offsets(view({3, 1}))).ok());
    CHECK(owned.view().tokens() == 0);
    CHECK(owned.view().sequences() == 0);
    CHECK(owned.view().longest == 0);
  }
}

TEST_CASE("owned token rows may be copied, moved, swapped and kept in a list", "[token_rows]") {
  auto const packed = [](index_t tokens) {
    owned_token_rows owned;
    REQUIRE(owned.from_offsets(view({0, tokens})).ok());
    return owned;
  };
  auto const holds = [](owned_token_rows const& owned, index_t tokens) {
    token_rows<> const rows = owned;
    CHECK(rows.check("tokens", tokens).ok());
    CHECK(rows.tokens() == tokens);
    CHECK(copy(rows.offset) == numbers{0, tokens});
    CHECK(rows.longest == tokens);
    for (index_t i = 0; i < tokens; ++i) CHECK(rows.row(i) == i);
  };
  owned_token_rows current = packed(3), last = current;
  holds(last, 3);
  last = current;
  REQUIRE(current.from_offsets(view({0, 5})).ok());  // the copy stays what it was
  holds(last, 3);
  holds(current, 5);
  std::swap(current, last);
  holds(last, 5);
  holds(current, 3);
  owned_token_rows moved = std::move(current);
  holds(moved, 3);
  CHECK(current.view().check("tokens", 0).ok());
  CHECK(current.view().longest == 0);
  current = std::move(last);
  holds(current, 5);
  REQUIRE(last.from_offsets(view({0, 2})).ok());
  holds(last, 2);
  std::vector<owned_token_rows> list;
  for (index_t tokens = 1; tokens < 10; ++tokens) {
    owned_token_rows const one = packed(tokens);
    list.push_back(one);
  }
  list.erase(list.begin());
  for (std::size_t n = 0; n < list.size(); ++n) holds(list[n], index_t(n) + 2);
}
