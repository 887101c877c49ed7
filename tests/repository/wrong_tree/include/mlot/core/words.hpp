#pragma once
#include <iostream>
inline void fail() { throw 1; }
inline int* leak() { return /* here */ new int; }
inline void end() { std::abort(); }
inline int least(int far) { return std::min(far, (std::max)(far, (std::min<int>)(1, 2))); }
inline int most() { return (std::numeric_limits<int>::max)() - std::numeric_limits<int>::min(); }
inline int one() { return std::max<int>(1, 0); }
