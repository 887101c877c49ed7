#pragma once
#include <iostream>
inline void fail() { throw 1; }
inline int* leak() { return /* here */ new int; }
inline void end() { std::abort(); }
