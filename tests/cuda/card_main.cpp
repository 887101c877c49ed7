// Runs Catch2 where a card reaches everything that tests hand to a device: the whole heap, and the
// stack of the thread that runs them, lie in one block of memory that is mapped into the card's.
#include <cuda_runtime_api.h>
#include <pthread.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "cuda/card_heap.hpp"
#define CATCH_CONFIG_RUNNER
#include "test.hpp"

namespace {
constexpr std::size_t block_size = std::size_t(1) << 31, stack_size = std::size_t(1) << 26;
constexpr int skipped = 77;  // as ctest is told

bool has_card() {
  int cards = 0;
  return cudaGetDeviceCount(&cards) == cudaSuccess && cards > 0;
}
struct arguments {
  int count;
  char** words;
  int answer;
};
void* run_session(void* of) {
  auto& main = *static_cast<arguments*>(of);
  main.answer = Catch::Session().run(main.count, main.words);
  return nullptr;
}
/// Answers Catch2's exit code.
int run_within_reach(int count, char** words) {
  void* block = nullptr;
  cudaError_t const answer =
      cudaHostAlloc(&block, block_size, cudaHostAllocMapped | cudaHostAllocPortable);
  if (answer != cudaSuccess) {
    std::printf("card_tests: %s\n", cudaGetErrorString(answer));
    return 1;
  }
  arguments main{count, words, 1};
  kit::give_heap(static_cast<std::byte*>(block) + stack_size, block_size - stack_size);
  pthread_attr_t own_stack;
  pthread_t thread;
  if (pthread_attr_init(&own_stack) != 0 ||
      pthread_attr_setstack(&own_stack, block, stack_size) != 0 ||
      pthread_create(&thread, &own_stack, run_session, &main) != 0 ||
      pthread_join(thread, nullptr) != 0)
    std::puts("card_tests: no thread");
  return main.answer;
}
}  // namespace

int main(int count, char** words) {
  if (!has_card()) {
    std::puts("skipped: no CUDA card");
    return skipped;
  }
  int const answer = run_within_reach(count, words);
  std::fflush(nullptr);
  std::_Exit(answer);  // nothing may touch the heap when the runtime has taken the block back
}
