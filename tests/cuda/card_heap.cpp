// A file of its own: a compiler that sees both sides of operator new takes what it adds for errors.
#include "cuda/card_heap.hpp"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace {
/// Pieces of one block, each as large as a power of two and behind a line that says which. Those
/// given back serve the next of their size. The C library serves what comes before there is a
/// block.
class heap {
 public:
  void open(std::byte* block, std::size_t size) {
    begin_ = free_ = block;
    end_ = block + size;
  }
  void* take(std::size_t size) {
    if (begin_ == nullptr) return std::aligned_alloc(line, (size + line) / line * line);
    std::lock_guard const one_at_a_time(mutex_);
    std::size_t const whole = std::bit_ceil(size + line);
    auto& kept = kept_[std::countr_zero(whole)];
    if (kept != nullptr) return std::exchange(kept, *static_cast<void**>(kept));
    if (std::size_t(end_ - free_) < whole) return nullptr;
    auto* const piece = std::exchange(free_, free_ + whole);
    *reinterpret_cast<std::size_t*>(piece) = whole;
    return piece + line;
  }
  void give(void* memory) {
    auto* const piece = static_cast<std::byte*>(memory);
    if (piece < begin_ || piece >= end_) return std::free(memory);  // null comes here too
    std::lock_guard const one_at_a_time(mutex_);
    auto& kept = kept_[std::countr_zero(*reinterpret_cast<std::size_t*>(piece - line))];
    *static_cast<void**>(memory) = std::exchange(kept, memory);
  }

  static constexpr std::size_t line = 64;  // the alignment of every piece

 private:
  std::mutex mutex_;
  std::byte *begin_ = nullptr, *free_ = nullptr, *end_ = nullptr;
  void* kept_[64] = {};  // of each size the first; it holds the next
};
heap& whole_heap() {
  alignas(heap) static std::byte memory[sizeof(heap)];
  static heap* const one = new (memory) heap;  // never destroyed: something may always come later
  return *one;
}

}  // namespace

void kit::give_heap(std::byte* block, std::size_t size) { whole_heap().open(block, size); }

void* operator new(std::size_t size) {
  if (void* const memory = whole_heap().take(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  if (std::size_t(alignment) > heap::line) throw std::bad_alloc();
  return operator new(size);
}
void operator delete(void* memory) noexcept { whole_heap().give(memory); }
void operator delete(void* memory, std::size_t) noexcept { whole_heap().give(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { whole_heap().give(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  whole_heap().give(memory);
}
