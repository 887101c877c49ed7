// Compiled for any processor: skips what this one has not.
#include <cstdio>

int arches();

int main() {
  if (!__builtin_cpu_supports(MLOT_TEST_NEEDS)) {
    std::printf("not run: that needs a processor with %s\n", MLOT_TEST_NEEDS);
    return 77;
  }
  return arches();
}
