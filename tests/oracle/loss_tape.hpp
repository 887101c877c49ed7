#pragma once
#include <cmath>
#include <vector>
/// Reverse-mode differentiation in long double, as plain as it can be: every operation on a
/// `number` writes down its partial derivatives; `derivatives` walks the notes backwards.
namespace oracle {
struct tape_entry {
  int parent[2];
  long double partial[2];
};
inline thread_local std::vector<tape_entry> tape;

/// A value, and its place on the tape; a constant has none.
struct number {
  long double value = 0;
  int place = -1;
  number() = default;
  number(long double constant) : value(constant) {}
  number(long double v, number const& x, long double dx) : number(v, x, dx, number(), 0) {}
  number(long double v, number const& x, long double dx, number const& y, long double dy)
      : value(v) {
    if (x.place < 0 && y.place < 0) return;
    place = static_cast<int>(tape.size());
    tape.push_back({{x.place, y.place}, {dx, dy}});
  }
};
/// A value to differentiate by.
inline number variable(long double value) {
  number x(value);
  x.place = static_cast<int>(tape.size());
  tape.push_back({{-1, -1}, {0, 0}});
  return x;
}

inline number operator+(number const& x, number const& y) {
  return {x.value + y.value, x, 1, y, 1};
}
inline number operator-(number const& x, number const& y) {
  return {x.value - y.value, x, 1, y, -1};
}
inline number operator*(number const& x, number const& y) {
  return {x.value * y.value, x, y.value, y, x.value};
}
inline number operator/(number const& x, number const& y) {
  return {x.value / y.value, x, 1 / y.value, y, -x.value / (y.value * y.value)};
}
inline number operator-(number const& x) { return {-x.value, x, -1}; }
inline number exp(number const& x) { return {std::exp(x.value), x, std::exp(x.value)}; }
inline number log(number const& x) { return {std::log(x.value), x, 1 / x.value}; }
/// The derivative at 0 is 0.
inline number abs(number const& x) {
  return {std::fabs(x.value), x, x.value > 0 ? 1.0L : x.value < 0 ? -1.0L : 0.0L};
}

/// d result / d (every entry of the tape).
inline std::vector<long double> derivatives(number const& result) {
  std::vector<long double> adjoint(tape.size(), 0);
  if (result.place < 0) return adjoint;
  adjoint[static_cast<std::size_t>(result.place)] = 1;
  for (std::size_t i = tape.size(); i-- > 0;)
    for (int side = 0; side < 2; ++side)
      if (int const parent = tape[i].parent[side]; parent >= 0)
        adjoint[static_cast<std::size_t>(parent)] += adjoint[i] * tape[i].partial[side];
  return adjoint;
}
}  // namespace oracle
