// Files of every length and alignment are read, what is written can be read, and what cannot be is
// said.
#include "cli/cases.hpp"
using namespace cli_test;

namespace {
/// An .npy file whose header has `size` bytes behind its length; none where it does not fit.
template <class T>
std::string with_header_of(std::size_t size, char version, std::string const& shape,
                           std::vector<T> const& elements) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  if (size <= header.size()) return {};
  header.append(size - header.size() - 1, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  bytes += header;
  return bytes.append(reinterpret_cast<char const*>(elements.data()), elements.size() * sizeof(T));
}
struct pair_of_logits : cases {
  std::vector<float> const teacher = random_logits(24, 1), student = random_logits(15, 2);
  words const inputs = {"--teacher", write("t.npy", npy("<f4", "(4, 6)", teacher)), "--student",
                        write("s.npy", npy("<f4", "(3, 5)", student))};
  words const tables = {"--teacher", file("t.safetensors"), "--student", file("s.npy")};
  words const ranks = {"teacher", "--teacher", file("t.npy"), "--out", file("t.safetensors")};
};
std::string header_of(std::string const& file) {
  std::size_t size = 0;
  for (std::size_t i = 8; i-- > 0;) size = size << 8 | static_cast<unsigned char>(file[i]);
  return file.substr(8, size);
}
/// The same tensors behind another header.
std::string with_header(std::string const& file, std::string const& header) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + file.substr(8 + header_of(file).size());
}
std::string replaced(std::string text, std::string const& from, std::string const& to) {
  REQUIRE(text.find(from) != text.npos);
  return text.replace(text.find(from), from.size(), to);
}
}  // namespace

TEST_CASE("mlot_cli reads .npy headers of every length") {
  pair_of_logits in;
  std::string const expected = in.good(words{"loss"} + in.inputs);
  for (char const version : {'\1', '\2', '\3'})
    for (std::size_t size = 60; size < 60 + 2 * 256 + 3; size += version == 1 ? 1 : 3) {
      std::string const teacher = with_header_of(size, version, "(4, 6)", in.teacher);
      std::string const student = with_header_of(size, version, "(3, 5)", in.student);
      if (teacher.empty()) continue;
      in.write("t.npy", teacher);
      in.write("s.npy", size % 5 == 0 ? student : npy("<f4", "(3, 5)", in.student));
      outcome const result = in.run(words{"loss"} + in.inputs);
      CAPTURE(int(version), size, result.err);
      CHECK(result.out == expected);
    }
  for (std::size_t const size : {123, 379, 635, 65403, 65535, 65536 + 123}) {  // byte 8 is '{'
    char const version = size < 65536 ? '\1' : '\2';
    in.write("t.npy", with_header_of(size, version, "(4, 6)", in.teacher));
    CHECK(in.good(words{"loss"} + in.inputs) == expected);
  }
}

TEST_CASE("mlot_cli reads safetensors headers of every length") {
  pair_of_logits in;
  in.good(in.ranks);
  std::string const whole = bytes_of(in.file("t.safetensors")), header = header_of(whole);
  std::string const expected = in.good(words{"loss"} + in.tables);
  for (std::size_t spaces = 0; spaces < 256 + 8; ++spaces) {
    in.write("t.safetensors", with_header(whole, header + std::string(spaces, ' ')));
    CAPTURE(spaces);
    CHECK(in.good(words{"loss"} + in.tables) == expected);
  }
}

TEST_CASE("mlot_cli reads the tables of every temperature that it takes") {
  pair_of_logits in;
  for (std::string const precision : {"f64", "f32"}) {
    int written = 0;
    auto const check = [&](std::string const& own, std::string const& transport) {
      words const same = split("--precision " + precision);
      words const ranked = same + words{"--temperature", own, "--transport-temperature", transport};
      CAPTURE(precision, own, transport);
      if (in.run(in.ranks + ranked).code != 0) return;  // not a temperature of that precision
      ++written;
      CHECK(in.good(words{"loss"} + in.tables + same) ==
            in.good(words{"loss"} + in.inputs + same +
                    words{"--teacher-temperature", own, "--transport-temperature", transport}));
    };
    for (std::string const digits : {"1", "9.9999999999999989"})
      for (int exponent = -307; exponent < 308; exponent += exponent % 2 == 0 ? 17 : 18) {
        std::string const text = digits + "e" + std::to_string(exponent);
        check(text, "2");
        check("1", text);
      }
    for (char const* const text : {"16777216", "16777217", "1e30", "3.4028234663852886e+38",
                                   "1.7976931348623157e+308", "1e-308", "0.1"})
      check(text, text);
    CHECK(written > (precision == "f64" ? 100 : 12));
  }
}

TEST_CASE(
    "mlot_cli reads what it writes of batches without sequences, tokens or columns to spare") {
  pair_of_logits in;
  for (std::string const shape : {"(0, 4, 6)", "(2, 0, 6)", "(0, 6)", "(0, 0, 6)", "(1, 1)"}) {
    CAPTURE(shape);
    bool const one = shape == "(1, 1)";
    std::vector<float> const z(one ? 1 : 0);
    in.write("t.npy", npy("<f4", shape, z));
    in.write("s.npy", npy("<f4", shape, z));
    in.good(in.ranks);
    words const output = {"--gradient", in.file("g.npy")};
    CHECK(in.good(words{"loss"} + in.tables + output) == in.good(words{"loss"} + in.inputs));
    in.good({"loss", "--teacher", in.file("t.npy"), "--student", in.file("g.npy")});
  }
}

TEST_CASE("mlot_cli refuses tables whose numbers cannot be together") {
  pair_of_logits in;
  in.good(in.ranks + split("--k 4 --transport-ranking own"));
  std::string const whole = bytes_of(in.file("t.safetensors")), header = header_of(whole);
  words const loss = words{"loss"} + in.tables + split("--k 4");
  in.good(loss);
  auto const refuses = [&](std::string const& bytes, words const& parts) {
    in.write("t.safetensors", bytes);
    in.refuses(loss, words{"--teacher: "} + parts);
  };
  for (std::string const vocabulary : {"3", "1", "0", "-6", "6.5", "1e300", "16777217", "0x6", " 6",
                                       "6 ", "+6", "six", "nan", "inf", "", "6,0"})
    refuses(with_header(whole, replaced(header, "\"vocabulary\":\"6\"",
                                        "\"vocabulary\":\"" + vocabulary + "\"")),
            {"vocabulary " + vocabulary});
  for (std::string const temperature : {"0", "-1", "inf", "nan", "1e999", "1e-999", "0x1p3", "1 "})
    refuses(with_header(whole, replaced(header, "\"temperature\":\"1\"",
                                        "\"temperature\":\"" + temperature + "\"")),
            {"temperature " + temperature});
  refuses(with_header(whole, replaced(header, "\"rows\":\"all\"", "\"rows\":\"some\"")),
          {"rows some", "all or labelled"});
  // A vocabulary that lacks a listed id, or is too small for the sums.
  refuses(with_header(whole, replaced(header, "\"vocabulary\":\"6\"", "\"vocabulary\":\"4\"")),
          {"tensor"});
  // Numbers of the tensors, which lie in the order of their names.
  std::size_t const data = whole.size() - header.size() - 8;
  std::size_t const logits = 16 * 4, row = 4 * 8;  // bytes: (4, 4) of float; ids of a sequence
  std::size_t const ids = 8 + header.size(), normaliser = ids + row + logits;
  REQUIRE(data == 2 * (row + logits) + 4 * 3 * 8 + 2 * 8);
  auto const changed = [&](std::size_t at, auto value) {
    std::string bytes = whole;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return bytes;
  };
  std::size_t const transport_ids = normaliser + 4 * 3 * 8 + 2 * 8;
  for (std::size_t const first : {ids, transport_ids})
    for (std::int64_t const id : {std::int64_t(6), std::int64_t(-1), std::int64_t(1) << 40})
      refuses(changed(first + 8, id), {"ids", std::to_string(id), "below 6"});
  std::int64_t second = 0;
  std::memcpy(&second, whole.data() + ids + 8, 8);
  refuses(changed(ids, second), {"ids", "different"});  // twice
  for (double const factor : {0.5, 20.})
    for (std::size_t const place : {1, 2}) {
      double sum = 0;
      std::memcpy(&sum, whole.data() + normaliser + 8 * place, 8);
      refuses(changed(normaliser + 8 * place, factor * sum), {"normaliser", "token 0"});
    }
}

TEST_CASE("mlot_cli writes through links, also to what does not exist yet") {
  pair_of_logits in;
  fs::create_directory(in.file("out"));
  auto const is_link = [&](char const* name) { return fs::is_symlink(in.file(name)); };
  auto const write = [&](char const* name) {
    in.good(words{"loss"} + in.inputs + words{"--gradient", in.file(name)});
  };
  fs::create_symlink("out/relative.npy", in.file("relative.npy"));
  fs::create_symlink(in.file("out/absolute.npy"), in.file("absolute.npy"));
  fs::create_symlink("out/second.npy", in.file("chain.npy"));
  fs::create_symlink("../third.npy", in.file("out/second.npy"));
  fs::create_symlink("out", in.file("folder"));
  for (int time = 0; time < 2; ++time) {  // the second finds files at the links' ends
    for (char const* const name : {"relative.npy", "absolute.npy", "chain.npy"}) {
      write(name);
      CHECK(is_link(name));
    }
    for (char const* const target : {"out/relative.npy", "out/absolute.npy", "third.npy"}) {
      CHECK(fs::is_regular_file(fs::symlink_status(in.file(target))));
      CHECK(in.array(target).shape == std::vector<std::int64_t>{3, 5});
    }
    CHECK(is_link("out/second.npy"));
  }
  write("folder/within.npy");
  CHECK(fs::is_regular_file(in.file("out/within.npy")));
  CHECK(std::distance(fs::directory_iterator(in.file("out")), {}) == 4);  // nothing beside

  fs::create_symlink("none/target.npy", in.file("nowhere.npy"));
  fs::create_symlink("loop.npy", in.file("loop.npy"));
  for (char const* const bad : {"nowhere.npy", "loop.npy"}) {
    in.refuses(words{"loss"} + in.inputs + words{"--gradient", in.file(bad)},
               {"--gradient: ", bad, "cannot be written"});
    CHECK(is_link(bad));
  }
  fs::create_symlink("both.npy", in.file("one.npy"));
  fs::create_symlink("both.npy", in.file("other.npy"));
  in.refuses(words{"loss"} + in.inputs +
                 words{"--gradient", in.file("one.npy"), "--plan", in.file("other.npy")},
             {"--plan: ", "--gradient goes there"});
}
