#pragma once
// What the programs that time share: check first, then the median, and where it was measured.
#include <rapidjson/prettywriter.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <mlot/core/version.hpp>
#include <mlot/interop/describe.hpp>
#include <stdexcept>
#include <string>
#include <vector>
#include <xsimd/xsimd.hpp>

#include "optimised.hpp"
#ifdef _OPENMP
#  include <omp.h>
#endif
namespace bench {
using mlot::index_t;

/// A check that fails ends the program: nothing is timed that is not right.
inline void require(bool holds, std::string const& otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}
inline void require(mlot::status const& s) { require(s.ok(), mlot::describe(s)); }

/// |got - wanted| / |wanted|, Euclidean norms; NaN where either holds one.
template <class Array>
double relative_difference(Array const& got, Array const& wanted) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += std::pow(double(got[i]) - double(wanted[i]), 2);
    norm += std::pow(double(wanted[i]), 2);
  }
  return std::sqrt(error / norm);
}

struct duration {
  double seconds = 0;  ///< the median
  index_t repetitions = 0;
};

/// Calls `body` once to warm up, then until `least` seconds have passed and three calls are timed;
/// after ten times `least` one call is enough.
template <class Body>
duration median_time(double least, Body body) {
  using clock = std::chrono::steady_clock;
  auto const since = [](clock::time_point start) {
    return std::chrono::duration<double>(clock::now() - start).count();
  };
  body();
  std::vector<double> each;
  for (auto const start = clock::now();;) {
    auto const one = clock::now();
    body();
    each.push_back(since(one));
    double const passed = since(start);
    if (passed >= 10 * least || (passed >= least && each.size() >= 3)) break;
  }
  auto const middle = each.begin() + std::ptrdiff_t(each.size() / 2);
  std::nth_element(each.begin(), middle, each.end());
  return {*middle, index_t(each.size())};
}

inline int available_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
inline void use_threads([[maybe_unused]] int count) {
#ifdef _OPENMP
  omp_set_num_threads(count);
#endif
}

inline std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}
inline std::string compiler() {
#ifdef __clang__
  return __VERSION__;  // begins with its name
#else
  return "g++ " __VERSION__;
#endif
}

using json_writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

inline void write(json_writer& json, char const* key, std::string const& text) {
  json.Key(key);
  json.String(text.c_str());
}
inline void write(json_writer& json, char const* key, index_t number) {
  json.Key(key);
  json.Int64(number);
}
/// A number that does not exist is null.
inline void write(json_writer& json, char const* key, double number) {
  json.Key(key);
  std::isfinite(number) ? json.Double(number) : json.Null();
}
inline void write(json_writer& json, char const* key, duration const& time) {
  json.Key(key);
  json.StartObject();
  write(json, "seconds", time.seconds);
  write(json, "repetitions", time.repetitions);
  json.EndObject();
}

inline void write_machine(json_writer& json) {
  json.Key("machine");
  json.StartObject();
  write(json, "cpu", cpu_model());
  write(json, "threads", index_t(available_threads()));
  write(json, "compiler", compiler());
  write(json, "flags", std::string(MLOT_BENCH_FLAGS));
  write(json, "lanes", std::string(xsimd::default_arch::name()));
  write(json, "mlot",
        std::to_string(MLOT_VERSION_MAJOR) + "." + std::to_string(MLOT_VERSION_MINOR) + "." +
            std::to_string(MLOT_VERSION_PATCH));
  json.EndObject();
}

inline void save(std::string const& path, rapidjson::StringBuffer const& text) {
  std::ofstream file(path);
  file << text.GetString() << '\n';
  file.close();
  require(file.good(), path + ": cannot be written");
}
}  // namespace bench
