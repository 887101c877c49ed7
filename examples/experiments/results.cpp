#include "experiments/results.hpp"

#include "distill/report.hpp"
#include "timing.hpp"

namespace experiments {
namespace {
using bench::write;

/// An object; what `body` writes are its members.
void object(bench::json_writer& json, auto const& body) {
  json.StartObject();
  body();
  json.EndObject();
}
void array(bench::json_writer& json, char const* key, auto const& values, auto const& body) {
  json.Key(key);
  json.StartArray();
  for (auto const& value : values) body(value);
  json.EndArray();
}
void write_file(std::filesystem::path const& file, auto const& body) {
  rapidjson::StringBuffer text;
  bench::json_writer json(text);
  object(json, [&] { body(json); });
  bench::save(file.string(), text);
}

void write_runs(bench::json_writer& json, std::vector<run_record> const& runs) {
  auto const each = [&](char const* key, auto const& measure) {
    array(json, key, runs, [&](run_record const& run) { json.Double(measure(run)); });
  };
  each("last_bits", last_bits);
  each("best_bits", best_bits);
  each("step_milliseconds",
       [](run_record const& run) { return 1e3 * run.time.all() / double(run.time.steps); });
}
}  // namespace

void save(std::filesystem::path const& file, table const& asked, trials const& trained,
          distill::index_t threads) {
  write_file(file, [&](bench::json_writer& json) {
    write(json, "table", asked.name);
    write(json, "title", asked.title);
    write(json, "x_label", asked.x_label);
    bench::use_threads(int(threads));  // what the machine's line tells of
    bench::write_machine(json);
    trial const& any = asked.rows.front().of;
    write(json, "train_segments", any.course.train_segments);
    write(json, "epochs", any.training.epochs);
    array(json, "rows", asked.rows, [&](row const& r) {
      object(json, [&] {
        write(json, "label", r.label);
        write(json, "against", r.against);
        if (r.x) write(json, "x", *r.x);
        write_runs(json, trained.of(r.of));
      });
    });
  });
}

void save(std::filesystem::path const& file, std::vector<long_sequence> const& measured) {
  write_file(file, [&](bench::json_writer& json) {
    write(json, "table", std::string("lengths"));
    write(json, "title", std::string("Long sequences"));
    bench::use_threads(1);
    bench::write_machine(json);
    array(json, "rows", measured, [&](long_sequence const& m) {
      object(json, [&] {
        write(json, "teacher_tokens", m.teacher_tokens);
        write(json, "student_tokens", m.student_tokens);
        write(json, "cross_entropy_seconds", m.cross_entropy_seconds);
        write(json, "seconds", m.seconds);
        write(json, "streamed_seconds", m.streamed_seconds);
        write(json, "bytes", m.bytes);
        write(json, "streamed_bytes", m.streamed_bytes);
      });
    });
  });
}
}  // namespace experiments
