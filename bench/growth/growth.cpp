// How cost grows: the whole loss while one of its sizes varies at a time, and Sinkhorn alone with
// its tokens, beside the time that moving the loss's bytes takes in the same run.
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <map>
#include <random>

#include "bandwidth.hpp"
#include "command_line.hpp"
#include "loss_call.hpp"
#include "single_problem.hpp"
#include "timing.hpp"

namespace bench {
struct settings {
  bool quick = false;
  std::string json;
  double seconds() const { return quick ? 0.01 : 0.2; }  ///< for each time
};

struct point {
  index_t value = 0;  ///< of the size that varies
  duration time{};
  /// Seconds in which the copy of the same run moves the loss's bytes; NaN where they fit the
  /// cache or its size is unknown.
  double floor = std::numeric_limits<double>::quiet_NaN();
};

struct series {
  std::string name;
  std::vector<point> points{};
};

/// One size of the loss, its values, and the shape that has it.
struct sweep {
  std::string name;
  std::vector<index_t> values;
  shape (*at)(shape base, index_t value);
};

std::vector<index_t> doubled(index_t first, index_t last) {
  std::vector<index_t> values;
  for (index_t x = first; x < last; x *= 2) values.push_back(x);
  values.push_back(last);
  return values;
}

std::vector<sweep> sweeps(shape const& base, bool quick) {
  return {
      {"tokens", doubled(8, quick ? 128 : 2048),
       [](shape s, index_t x) { return s.tokens = x, s; }},
      {"vocabulary", doubled(1000, quick ? 16000 : 256000),
       [](shape s, index_t x) { return s.teacher_vocabulary = s.student_vocabulary = x, s; }},
      {"k", {5, 10, 20, 50, 100, 200, 400}, [](shape s, index_t x) { return s.k = x, s; }},
      {"iterations",
       {1, 2, 5, 10, 20, 50, 100, 200},
       [](shape s, index_t x) { return s.iterations = x, s; }},
      {"sequences", doubled(1, quick ? 8 : 32),
       [](shape s, index_t x) { return s.sequences = x, s.tokens = 32, s; }},
      {"threads", doubled(1, base.threads),
       [](shape s, index_t x) { return s.threads = int(x), s; }},
  };
}

/// Bytes a second that copying moves, reads and writes both counted, by number of threads.
class bandwidth_by_threads {
 public:
  explicit bandwidth_by_threads(double seconds) : seconds_(seconds) {}
  double operator()(int threads) {
    auto const [place, is_new] = measured_.try_emplace(threads);
    if (is_new) {
      use_threads(threads);
      large_arrays arrays;
      place->second = large_arrays::copied / median_time(seconds_, [&] { arrays.copy(); }).seconds;
    }
    return place->second;
  }
  std::map<int, double> const& measured() const { return measured_; }

 private:
  double seconds_;
  std::map<int, double> measured_;
};

point measure(index_t value, shape const& s, double seconds, bandwidth_by_threads& bandwidth) {
  use_threads(s.threads);
  loss_call loss(s);
  loss.require_agreement();
  point out{.value = value};
  out.time = median_time(seconds, [&] { loss.compute_on(mlot::on::simd<>{}); });
  double const cache = double(sysconf(_SC_LEVEL3_CACHE_SIZE));
  if (cache > 0 && loss.footprint() > cache) out.floor = loss.least_bytes() / bandwidth(s.threads);
  return out;
}

/// The distance with its plan, and with its gradient too, cost given.
std::pair<point, point> measure_sinkhorn(index_t tokens, double seconds) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> between(0, 2);
  auto cost = std::vector<float>(std::size_t(tokens * tokens));
  for (float& c : cost) c = between(generator);
  single_problem<float> work(tokens, tokens, std::move(cost), 0.1, 20);
  mlot::on::simd<> const device;
  if (tokens <= 1024) work.require_agreement();  // the scalar loops would take minutes beyond
  work.forward(device);
  work.require_column_sums();
  auto const forward = median_time(seconds, [&] { work.forward(device); });
  auto const with_gradient = median_time(seconds, [&] {
    work.forward(device);
    work.backward(device);
  });
  return {{.value = tokens, .time = forward}, {.value = tokens, .time = with_gradient}};
}

void print(std::string const& name, point const& p) {
  std::printf("%-22s %7lld %11.3f", name.c_str(), (long long)p.value, 1e3 * p.time.seconds);
  if (std::isfinite(p.floor)) std::printf(" %11.3f %6.2f", 1e3 * p.floor, p.time.seconds / p.floor);
  std::printf("\n");
  std::fflush(stdout);
}

void write(json_writer& json, series const& s) {
  json.Key(s.name.c_str());
  json.StartArray();
  for (point const& p : s.points) {
    json.StartObject();
    write(json, "value", p.value);
    write(json, "seconds", p.time.seconds);
    write(json, "repetitions", p.time.repetitions);
    write(json, "floor_seconds", p.floor);
    json.EndObject();
  }
  json.EndArray();
}

void write_base(json_writer& json, shape const& s) {
  json.Key("base");
  json.StartObject();
  write(json, "sequences", s.sequences);
  write(json, "tokens", s.tokens);
  write(json, "teacher_vocabulary", s.teacher_vocabulary);
  write(json, "student_vocabulary", s.student_vocabulary);
  write(json, "k", s.k);
  write(json, "iterations", s.iterations);
  write(json, "threads", index_t(s.threads));
  json.EndObject();
}

void run(settings const& s) {
  shape base;
  if (s.quick) base.tokens = 32, base.teacher_vocabulary = 4000, base.student_vocabulary = 5000;
  rapidjson::StringBuffer text;
  json_writer json(text);
  json.StartObject();
  write_machine(json);
  write_base(json, base);

  std::printf("%-22s %7s %11s %11s %6s\n", "varies", "", "ms", "floor ms", "ratio");
  bandwidth_by_threads bandwidth(s.seconds());
  json.Key("loss");
  json.StartObject();
  for (sweep const& size : sweeps(base, s.quick)) {
    series measured{size.name};
    for (index_t const x : size.values) {
      measured.points.push_back(measure(x, size.at(base, x), s.seconds(), bandwidth));
      print(size.name, measured.points.back());
    }
    write(json, measured);
  }
  json.EndObject();

  use_threads(base.threads);
  series forward{"forward"}, with_gradient{"with_gradient"};
  for (index_t const tokens : doubled(64, s.quick ? 256 : 4096)) {
    auto const [one, both] = measure_sinkhorn(tokens, s.seconds());
    print("sinkhorn", one);
    print("sinkhorn + gradient", both);
    forward.points.push_back(one);
    with_gradient.points.push_back(both);
  }
  json.Key("sinkhorn");
  json.StartObject();
  write(json, forward);
  write(json, with_gradient);
  json.EndObject();

  json.Key("copy_bytes_per_second");
  json.StartObject();
  for (auto const& [threads, rate] : bandwidth.measured()) {
    write(json, std::to_string(threads).c_str(), rate);
    std::printf("copy, %d threads: %.1f GB/s\n", threads, 1e-9 * rate);
  }
  json.EndObject();
  json.EndObject();
  if (!s.json.empty()) save(s.json, text);
}
}  // namespace bench

int main(int count, char** words) {
  bench::settings s;
  CLI::App app("Time of the whole loss and of Sinkhorn alone as their sizes grow", "growth");
  app.add_option("--json", s.json, "Writes every number into this file");
  app.add_flag("--quick", s.quick, "Small sizes, short times: to see that it works");
  return bench::run_program(app, count, words, [&] { bench::run(s); });
}
