#pragma once
// A comment may say throw, new and printf; so may a string.
/* So may
   this one: abort(); */
#include "low_too.hpp"
#include "mlot/interop/outside.hpp"
#include "mlot/primitive/middle.hpp"
inline char const* text = "throw new \" malloc";
inline int snprintf_is_fine = 1'000;
