#pragma once
#include <cstdio>
#include <cstdlib>
#ifndef NDEBUG
#  error "bench: build with NDEBUG; a Debug build measures nothing"
#endif
namespace bench {
/// Ends a program that was only built to see that it builds: its times would mean nothing.
inline void refuse_unoptimised() {
#ifndef __OPTIMIZE__
  std::fputs("This was built without optimisation and measures nothing: ./dev bench\n", stderr);
  std::exit(1);
#endif
}
}  // namespace bench
