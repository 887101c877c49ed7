#pragma once
#include "mlot/core/instruction_set.hpp"
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#  error "mlot: -ffast-math (-ffinite-math-only) is refused: masked logits are -infinity"
#endif
// Before a function that calls what it is given: gcc makes no copy of it for one callee, in which
// it would compile that anew.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#  define MLOT_COMPILED_ONCE [[gnu::noipa]]
#else
#  define MLOT_COMPILED_ONCE [[gnu::noinline]]
#endif
#if defined(__CUDACC__)
#  define MLOT_HOST_DEVICE __host__ __device__
#  define MLOT_DEVICE __device__
// Before a template for host and device that calls a function given to it: nvcc would warn of one
// that is for one side only, even when that side calls.
#  define MLOT_CALLS_EITHER _Pragma("nv_exec_check_disable")
// Before a loop over an array that should live in registers, which have no index.
#  define MLOT_UNROLL _Pragma("unroll")
#else
#  define MLOT_HOST_DEVICE
#  define MLOT_DEVICE
#  define MLOT_CALLS_EITHER
#  define MLOT_UNROLL
#endif
