#pragma once
#include <cstdio>
#include <mutex>
#include <string>

#include "distill/stopwatch.hpp"
#include "distill/trainer.hpp"
namespace distill {
/// Tells on stdout what was done, a line with the seconds each took.
class account {
 public:
  template <class... Arguments>
  void line(char const* name, char const* pattern, Arguments... arguments) {
    char text[128];
    std::snprintf(text, sizeof text, pattern, arguments...);
    std::printf("%-12s%-76s%6.1f s\n", name, text, watch_.lap());
    std::fflush(stdout);
  }

 private:
  stopwatch watch_;
};

/// Tells on stderr how far the runs are: on a terminal one line that is rewritten after every
/// epoch, elsewhere a line a finished run. Any thread may tell it.
class progress {
 public:
  progress(index_t runs, index_t epochs_of_a_run);
  void epoch(std::string const& run, epoch_record const& record);
  void run(std::string const& run, run_record const& record);
  void finish();

 private:
  std::mutex mutex_;
  stopwatch watch_;
  double seconds_ = 0;
  index_t epochs_, done_ = 0;
  bool terminal_;
};
}  // namespace distill
