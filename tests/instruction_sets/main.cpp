// A program that chooses by what the processor has: without an argument it asks for nothing new.
#include <cstdio>

double oldest();
double newest();

int main(int count, char**) {
  double const value = count > 1 ? newest() : oldest();
  std::printf("%.6f\n", value);
  return value > 0 ? 0 : 1;
}
