// mlot_cli teacher and what loss makes of its files.
#include "cli/program.hpp"
#include "mlot/core/scalar.hpp"
#include "random.hpp"
#include "test.hpp"
namespace {
using namespace cli_test;

/// Teacher (2, 5, 30) and student (2, 4, 23) with labels, some of them -100.
struct batch : folder {
  words const teacher = {"--teacher", logits<float>("t.npy", "<f4", "(2, 5, 30)", 300, 1)};
  words const teacher_labels = {
      "--teacher-labels",
      write("yt.npy", npy("<i8", "(2, 5)",
                          std::vector<std::int64_t>{1, 2, -100, 3, 4, -100, 5, 6, 7, -100}))};
  words const student = {
      "--student", logits<float>("s.npy", "<f4", "(2, 4, 23)", 184, 2), "--labels",
      write("y.npy",
            npy("<i8", "(2, 4)", std::vector<std::int64_t>{1, 2, -100, 3, 4, 5, 6, -100}))};
  words const student_rows = {"--student", file("s.npy")};  ///< all of them
  words const tables = {"--teacher", file("t.safetensors")};
  words const out = {"--out", file("t.safetensors")};

  template <class S>
  std::string logits(std::string const& name, std::string const& type, std::string const& shape,
                     std::size_t count, std::uint64_t seed) const {
    random_source random(seed);
    std::vector<S> z;
    for (std::size_t i = 0; i < count; ++i)
      z.push_back(mlot::store_as<S>(mlot::accumulator_t<S>(2 * random.normal())));
    return write(name, npy(type, shape, z));
  }
  outcome good(words const& arguments) const {
    outcome const result = run(arguments);
    INFO(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.err.empty());
    return result;
  }
};

/// A file of this header and these bytes behind it.
std::string safetensors_of(std::string const& header, std::string const& data = "") {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + data;
}
}  // namespace

TEST_CASE("mlot_cli loss on a teacher's tables prints and writes what it does on the logits") {
  batch in;
  for (std::string const precision : {"f64", "f32"})
    for (std::string const options :
         {"", "--matching greedy", "--temperature 0.5 --transport-temperature 3",
          "--transport-ranking own", "--k 40", "--transport-level token"}) {
      CAPTURE(precision, options);
      bool const is_wide = options.starts_with("--k");
      bool const of_both = options.find("temperature") != options.npos || options.ends_with("own");
      words const same = split("--precision " + precision);
      words const chosen = same + (is_wide ? words{} : split("--k 6")) + split(options);
      // The teacher's tables are wider than the loss asks for, and know nothing of its matching.
      words const ranked =
          same + split(is_wide ? "--k 90" : "--k 12") + (of_both ? split(options) : words{});
      bool const has_plan = !options.ends_with("token");
      auto const outputs = [&](std::string const& name) {
        words const files = {"--gradient", in.file("g" + name)};
        return has_plan ? files + words{"--plan", in.file("p" + name)} : files;
      };
      CHECK(
          in.good(words{"teacher"} + in.teacher + in.teacher_labels + in.out + ranked).out.empty());
      outcome const dense = in.good(words{"loss"} + in.teacher + in.teacher_labels + in.student +
                                    chosen + outputs("1.npy"));
      outcome const stored =
          in.good(words{"loss"} + in.tables + in.student + chosen + outputs("2.npy"));
      CHECK(stored.out == dense.out);
      CHECK(bytes_of(in.file("g1.npy")) == bytes_of(in.file("g2.npy")));
      if (has_plan) CHECK(bytes_of(in.file("p1.npy")) == bytes_of(in.file("p2.npy")));
    }
}

TEST_CASE("mlot_cli teacher leaves logits in the type of their file") {
  batch in;
  words const half_teacher = {"--teacher",
                              in.logits<mlot::half>("th.npy", "<f2", "(2, 5, 30)", 300, 1)};
  words const half_student = {"--student",
                              in.logits<mlot::half>("sh.npy", "<f2", "(2, 4, 23)", 184, 2)};
  for (std::string const precision : {"f64", "f32"}) {
    words const options = split("--k 6 --precision " + precision);
    in.good(words{"teacher"} + half_teacher + in.out + options);
    CHECK(
        bytes_of(in.file("t.safetensors")).find("\"logits\":{\"dtype\":\"F16\",\"shape\":[10,6]") !=
        std::string::npos);
    CHECK(in.good(words{"loss"} + in.tables + half_student + options).out ==
          in.good(words{"loss"} + half_teacher + half_student + options).out);
  }
  in.good(words{"teacher"} + in.teacher + in.out);
  CHECK(bytes_of(in.file("t.safetensors")).find("\"logits\":{\"dtype\":\"F32\"") !=
        std::string::npos);
}

TEST_CASE("mlot_cli says what does not fit a teacher's tables") {
  batch in;
  in.good(words{"teacher"} + in.teacher + in.out + split("--k 6"));
  words const loss = words{"loss"} + in.tables + in.student_rows;
  in.refuses(loss, {"--k: 50", "at most 6"});
  in.refuses(loss + split("--k 6 --precision f32"), {"--precision: f32"});
  in.refuses(loss + split("--k 6 --temperature 2"), {"--temperature: 2"});
  in.refuses(loss + split("--k 6 --transport-temperature 3"), {"--transport-temperature: 3"});
  in.refuses(loss + split("--k 6 --transport-ranking own"), {"--transport-ranking", "shared"});
  in.refuses(loss + split("--k 6") + in.teacher_labels, {"--teacher-labels"});
  in.refuses(words{"loss"} + in.tables + in.student + split("--k 6"),
             {"--teacher: ", "every row", "--labels", "--teacher-labels"});
  in.refuses(loss + split("--loss universal-logit"), {"--teacher", "logits"});
  in.refuses(words{"check-gradient"} + in.tables + in.student_rows, {"--teacher", "logits"});
  in.refuses(words{"teacher"} + in.teacher, {"--out"});
  words const teacher = words{"teacher"} + in.teacher + in.out;
  in.refuses(teacher + split("--k 0"), {"--k: 0"});
  in.refuses(teacher + split("--temperature 0"), {"--temperature: 0"});
  in.refuses(words{"teacher"} + in.tables + in.out, {"not an .npy file"});
}

TEST_CASE("mlot_cli survives files that only look like safetensors") {
  batch in;
  in.good(words{"teacher"} + in.teacher + in.out + split("--k 6"));
  std::string const whole = bytes_of(in.file("t.safetensors"));
  auto const refuses = [&](std::string const& bytes, words const& parts) {
    in.write("bad.safetensors", bytes);
    in.refuses(words{"loss", "--teacher", in.file("bad.safetensors")} + in.student_rows, parts);
  };
  for (std::size_t const size : {std::size_t(9), std::size_t(100), whole.size() - 1})
    refuses(whole.substr(0, size), {"bad.safetensors"});
  refuses(whole + "x", {"1 bytes behind"});
  refuses(safetensors_of("{}"), {"format none"});
  refuses(safetensors_of("{\"a\""), {"header"});
  refuses(safetensors_of("{\"a\":[1]}"), {"header"});
  refuses(safetensors_of("{\"a\":{\"dtype\":{}}}"), {"header"});
  refuses(
      safetensors_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "1234"),
      {"header"});
  auto const one = [](std::string const& type, std::string const& shape, std::string const& place) {
    return "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + place +
           "}}";
  };
  refuses(safetensors_of(one("F32", "[1]", "[0,8]"), "1234"), {"data_offsets"});
  refuses(safetensors_of(one("F32", "[1]", "[4,0]"), "1234"), {"data_offsets"});
  refuses(safetensors_of(one("F32", "[1]", "[0]"), "1234"), {"data_offsets"});
  refuses(safetensors_of(one("F32", "[2]", "[0,4]"), "1234"), {"4 bytes for tensor a"});
  refuses(safetensors_of(one("U8", "[4]", "[0,4]"), "1234"), {"dtype U8"});
  refuses(safetensors_of(one("F32", "[99999999,99999999]", "[0,4]"), "1234"), {"dimension"});
  refuses(safetensors_of(one("F32", "[1]", "[2,4]"), "1234"), {"holes"});
  refuses(safetensors_of("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"), {"header"});

  // What is wrong with the tables, once they are safetensors.
  auto const changed = [&](std::string const& from, std::string const& to) {
    REQUIRE(from.size() == to.size());
    std::string bytes = whole;
    bytes.replace(bytes.find(from), from.size(), to);
    return bytes;
  };
  refuses(changed("mlot.ranked", "mlot.banked"), {"format"});
  refuses(changed("\"vocabulary\":\"30\"", "\"vocabulary\":\"-3\""), {"vocabulary -3"});
  refuses(changed("\"normaliser\"", "\"normalized\""), {"no tensor normaliser"});
  refuses(changed("[10,6]", "[60,0]"), {"tensor logits"});
  refuses(changed("[10,6]", "[6,10]"), {"normaliser of shape (10, 3)"});
  std::string nan = whole;
  std::size_t const logits = whole.size() - 3 * 8 - 10 * 3 * 8 - 10 * 6 * 4;
  for (std::size_t i = 0; i < 4; ++i) nan[logits + i] = '\xff';
  in.write("nan.safetensors", nan);
  in.refuses(words{"loss", "--teacher", in.file("nan.safetensors"), "--k", "6"} + in.student_rows,
             {"nan.safetensors", "tensor logits"});
}
