#pragma once
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#  error "mlot: -ffast-math (-ffinite-math-only) is refused: masked logits are -infinity"
#endif
#if defined(__CUDACC__)
#  define MLOT_HOST_DEVICE __host__ __device__
#  define MLOT_DEVICE __device__
// Before a template for host and device that calls a function given to it: nvcc would warn of one
// that is only for the host, even when the host calls.
#  define MLOT_CALLS_EITHER _Pragma("nv_exec_check_disable")
#else
#  define MLOT_HOST_DEVICE
#  define MLOT_DEVICE
#  define MLOT_CALLS_EITHER
#endif
