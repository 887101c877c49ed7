#include "distill/progress.hpp"

#if __has_include(<unistd.h>)
#  include <unistd.h>
#endif

namespace distill {
namespace {
bool stderr_is_terminal() {
#if __has_include(<unistd.h>)
  return isatty(STDERR_FILENO) == 1;
#else
  return false;
#endif
}
constexpr char clear_line[] = "\r\033[K";
}  // namespace

progress::progress(index_t runs, index_t epochs_of_a_run)
    : epochs_(runs * epochs_of_a_run), terminal_(stderr_is_terminal()) {}

void progress::epoch(std::string const& run, epoch_record const& record) {
  std::lock_guard const lock(mutex_);
  ++done_;
  seconds_ += watch_.lap();
  if (!terminal_) return;
  std::fprintf(stderr, "%s%3d %%  epoch %d of %d  %s: %.3f bits/byte  about %.0f s left",
               clear_line, int(100 * done_ / epochs_), int(done_), int(epochs_), run.c_str(),
               record.held_out_bits, seconds_ * double(epochs_ - done_) / double(done_));
}

void progress::run(std::string const& run, run_record const& record) {
  std::lock_guard const lock(mutex_);
  if (terminal_ || record.epochs.empty()) return;
  std::fprintf(stderr, "  %-26s %.3f bits/byte held out, %.0f ms a step\n", run.c_str(),
               record.epochs.back().held_out_bits,
               1e3 * record.time.all() / double(record.time.steps));
}

void progress::finish() {
  if (terminal_) std::fputs(clear_line, stderr);
}
}  // namespace distill
