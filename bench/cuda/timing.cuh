#pragma once
// Times by the card's own clock, and what they mean beside it.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device_array.cuh"
namespace bench {
using kit::index_t;
using kit::succeeds;

class event {
 public:
  event() { succeeds(cudaEventCreate(&event_)); }
  ~event() { cudaEventDestroy(event_); }
  event(event const&) = delete;
  void record(cudaStream_t stream) { succeeds(cudaEventRecord(event_, stream)); }
  /// Since another, in milliseconds. Waits for this one.
  double since(event const& start) const {
    float milliseconds = 0;
    succeeds(cudaEventSynchronize(event_));
    succeeds(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return double(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// What launches one call, of one set of arrays.
using call = std::function<void(cudaStream_t)>;

/// Milliseconds of one of these calls, which take turns: the median of as many runs, each long
/// enough for the clock.
inline double median_time(cudaStream_t stream, std::vector<call> const& calls) {
  constexpr int runs = 15;
  constexpr double long_enough = 2;
  event start, stop;
  std::size_t next = 0;
  auto const timed = [&](int count) {
    start.record(stream);
    for (int i = 0; i < count; ++i) calls[next++ % calls.size()](stream);
    stop.record(stream);
    return stop.since(start) / count;
  };
  timed(2 * int(calls.size()));  // warms up
  int const count = std::clamp(int(long_enough / timed(1)), 1, 200);
  std::vector<double> each;
  for (int run = 0; run < runs; ++run) each.push_back(timed(count));
  std::nth_element(each.begin(), each.begin() + runs / 2, each.end());
  return each[runs / 2];
}

struct row {
  std::string name;
  double replayed = 0;  ///< milliseconds of a call as a graph: the card's own time
  double launched = 0;  ///< the same launched one kernel after the other
  double bytes = 0;     ///< that it cannot avoid to move, or 0: not its measure
  double goal = 0;      ///< milliseconds, or 0
};
inline row measured(std::string name, double bytes, double goal, std::vector<call> const& calls) {
  kit::own_stream const stream;
  row one{.name = std::move(name), .bytes = bytes, .goal = goal};
  one.launched = median_time(stream, calls);
  std::vector<call> replays;
  for (call const& c : calls) {
    auto const graph = std::make_shared<kit::captured>(stream, c);
    replays.push_back([graph](cudaStream_t on) { (*graph)(on); });
  }
  one.replayed = median_time(stream, replays);
  return one;
}

struct card {
  std::string name;
  int major = 0, minor = 0, multiprocessors = 0, driver = 0, runtime = 0;
  double l2_bytes = 0;
  double copied = 0;  ///< bytes a second, read and written, from the card's memory to itself
};
inline card this_card() {
  cudaDeviceProp of{};
  succeeds(cudaGetDeviceProperties(&of, 0));
  card one{.name = of.name,
           .major = of.major,
           .minor = of.minor,
           .multiprocessors = of.multiProcessorCount,
           .l2_bytes = double(of.l2CacheSize)};
  succeeds(cudaDriverGetVersion(&one.driver));
  succeeds(cudaRuntimeGetVersion(&one.runtime));
  kit::own_stream const stream;
  kit::device_array<std::byte> const from(index_t(1) << 32), to(from.size());
  double const time = median_time(stream, {[&](cudaStream_t on) {
                                    succeeds(cudaMemcpyAsync(to.data(), from.data(), from.bytes(),
                                                             cudaMemcpyDeviceToDevice, on));
                                  }});
  one.copied = 2 * double(from.bytes()) / (time * 1e-3);
  return one;
}

inline void print(card const& on, std::vector<row> const& rows) {
  std::printf("%s, compute capability %d.%d, %d multiprocessors; copies %.0f GB/s\n",
              on.name.c_str(), on.major, on.minor, on.multiprocessors, on.copied * 1e-9);
  std::printf("%-44s %9s %9s %8s %8s %8s\n", "", "ms", "launched", "GB/s", "of copy", "goal ms");
  for (row const& r : rows) {
    std::printf("%-44s %9.4f %9.4f", r.name.c_str(), r.replayed, r.launched);
    double const rate = r.bytes / (r.replayed * 1e-3);
    r.bytes > 0 ? std::printf(" %8.0f %8.2f", rate * 1e-9, rate / on.copied)
                : std::printf(" %8s %8s", "", "");
    if (r.goal > 0) std::printf(" %8.2f %s", r.goal, r.replayed <= r.goal ? "met" : "missed");
    std::puts("");
  }
}
/// Names hold nothing that JSON would have to escape.
inline void save(std::string const& path, card const& on, std::vector<row> const& rows) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  kit::require(file != nullptr, path + ": cannot be written");
  std::fprintf(
      file,
      "{\n  \"card\": \"%s\", \"compute_capability\": \"%d.%d\", \"multiprocessors\": %d,\n"
      "  \"cuda_driver\": %d, \"cuda_runtime\": %d, \"copied_bytes_per_second\": %.6g,\n"
      "  \"rows\": [",
      on.name.c_str(), on.major, on.minor, on.multiprocessors, on.driver, on.runtime, on.copied);
  char const* before = "\n";
  for (row const& r : rows) {
    std::fprintf(file,
                 "%s    {\"name\": \"%s\", \"ms\": %.6g, \"launched_ms\": %.6g, \"bytes\": %.0f, "
                 "\"goal_ms\": %.6g}",
                 before, r.name.c_str(), r.replayed, r.launched, r.bytes, r.goal);
    before = ",\n";
  }
  std::fputs("\n  ]\n}\n", file);
  kit::require(std::fclose(file) == 0, path + ": cannot be written");
}
}  // namespace bench
