#pragma once
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#  define KIT_ASAN 1
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define KIT_ASAN 1
#  endif
#  if __has_feature(thread_sanitizer)
#    define KIT_TSAN 1
#  endif
#endif
#if KIT_ASAN
#  include <sanitizer/common_interface_defs.h>
#endif
#if KIT_TSAN
#  include <sanitizer/tsan_interface.h>
#endif
/// Many threads of control on one thread of the system: each runs until it waits. What the
/// scheduler itself keeps is hidden from ThreadSanitizer, which sees a thread a fiber, ordered by
/// nothing but barriers.
namespace kit {
#if KIT_TSAN
#  define KIT_SCHEDULER __attribute__((no_sanitize("thread"), noinline))
#else
#  define KIT_SCHEDULER
#endif

class fibers {
 public:
  /// Of the fiber that runs now.
  static fibers*& current() {
    static fibers* one = nullptr;
    return one;
  }
  KIT_SCHEDULER void run(int count, bool rising, std::function<void(int)> const& body) {
    body_ = &body;
    current() = this;
    if (int(all_.size()) < count) all_.resize(std::size_t(count));
    for (int i = 0; i < count; ++i) start(all_[std::size_t(i)]);
    int left = count;
    while (left > 0) {
      progress_ = false;
      for (int i = 0; i < count; ++i) {
        running_ = rising ? i : count - 1 - i;
        fiber& next = all_[std::size_t(running_)];
        if (next.done) continue;
        enter(next);
        if (next.done) {
          progress_ = true;
          --left;
          finish(next);
        }
      }
      if (progress_) continue;
      for (fiber& f : all_) f.entered = false;  // they begin anew
      throw std::logic_error("a barrier that not all threads of the block reach");
    }
#if KIT_TSAN
    __tsan_acquire(this);
#endif
  }
  /// Lets the others run.
  KIT_SCHEDULER void yield() { leave(all_[std::size_t(running_)]); }
  KIT_SCHEDULER void made_progress() { progress_ = true; }
  ~fibers() {
    for (fiber& f : all_)
      if (f.stack != nullptr) munmap(f.stack, stack_size);
  }

 private:
  static constexpr std::size_t stack_size = 128 * 1024;
  struct fiber {
    ucontext_t context{};
    void* stack = nullptr;
    bool done = false, entered = false;
    jmp_buf jump{};
    void *fake = nullptr, *tsan = nullptr;
  };

  static void entry() {
    fibers& self = *current();
#if KIT_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self.main_stack_, &self.main_size_);
#endif
    for (;;) {  // a stack serves one body after the other
      self.call();
      self.end();
    }
  }
  void call() { (*body_)(rank()); }
  KIT_SCHEDULER int rank() const { return running_; }
  KIT_SCHEDULER void end() {
    fiber& own = all_[std::size_t(running_)];
    own.done = true;
#if KIT_TSAN
    __tsan_release(this);
#endif
    leave(own);
  }
  KIT_SCHEDULER void start(fiber& f) {
    f.done = false;
#if !(KIT_ASAN || KIT_TSAN)
    if (f.entered) return;
#endif
    f.entered = false;
    if (f.stack == nullptr)
      f.stack =
          mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = stack_size;
    f.context.uc_link = &main_;
    makecontext(&f.context, &fibers::entry, 0);
#if KIT_TSAN
    f.tsan = __tsan_create_fiber(0);
#endif
  }
  KIT_SCHEDULER void finish([[maybe_unused]] fiber& f) {
#if KIT_TSAN
    __tsan_destroy_fiber(f.tsan);
#endif
  }
  /// From one context to another, by a jump where that one was left by a jump: swapcontext asks the
  /// system twice. Sanitizers want swapcontext.
  KIT_SCHEDULER static void change(ucontext_t& from, [[maybe_unused]] jmp_buf& here, ucontext_t& to,
                                   [[maybe_unused]] jmp_buf* there) {
#if KIT_ASAN || KIT_TSAN
    swapcontext(&from, &to);
#else
    if (_setjmp(here) != 0) return;
    if (there != nullptr) _longjmp(*there, 1);
    swapcontext(&from, &to);
#endif
  }
  KIT_SCHEDULER void enter(fiber& f) {
#if KIT_TSAN
    main_tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#if KIT_ASAN
    __sanitizer_start_switch_fiber(&main_fake_, f.stack, stack_size);
#endif
    change(main_, main_jump_, f.context, f.entered ? &f.jump : nullptr);
#if KIT_ASAN
    __sanitizer_finish_switch_fiber(main_fake_, nullptr, nullptr);
#endif
  }
  KIT_SCHEDULER void leave(fiber& f) {
#if KIT_TSAN
    __tsan_switch_to_fiber(main_tsan_, __tsan_switch_to_fiber_no_sync);
#endif
#if KIT_ASAN
    __sanitizer_start_switch_fiber(f.done ? nullptr : &f.fake, main_stack_, main_size_);
#endif
    f.entered = true;
    change(f.context, f.jump, main_, &main_jump_);
#if KIT_ASAN
    __sanitizer_finish_switch_fiber(f.fake, &main_stack_, &main_size_);
#endif
  }

  std::vector<fiber> all_;
  std::function<void(int)> const* body_ = nullptr;
  ucontext_t main_{};
  jmp_buf main_jump_{};
  int running_ = 0;
  bool progress_ = false;
  // For one sanitizer or the other.
  [[maybe_unused]] void const* main_stack_ = nullptr;
  [[maybe_unused]] std::size_t main_size_ = 0;
  [[maybe_unused]] void *main_fake_ = nullptr, *main_tsan_ = nullptr;
};

/// Runs body(0) .. body(count - 1) as fibers, in rising or falling order between barriers.
inline void run_fibers(int count, bool rising, std::function<void(int)> const& body) {
  static fibers all;
  all.run(count, rising, body);
}

/// What `count` fibers wait for.
class barrier {
 public:
  explicit barrier(int count) : count_(count) {}
  KIT_SCHEDULER void wait() {
    int const mine = generation_;
#if KIT_TSAN
    __tsan_release(&meeting_[mine % 2]);
#endif
    if (++arrived_ == count_) {
      arrived_ = 0;
      ++generation_;
      fibers::current()->made_progress();
    }
    while (generation_ == mine) fibers::current()->yield();
#if KIT_TSAN
    __tsan_acquire(&meeting_[mine % 2]);
#endif
  }

 private:
  int count_, arrived_ = 0, generation_ = 0;
  /// What ThreadSanitizer sees them meet at. Two in turn: who waits at the next barrier already has
  /// not met those who have yet to leave this one.
  [[maybe_unused]] char meeting_[2] = {};
};
}  // namespace kit
