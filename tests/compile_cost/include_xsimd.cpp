// What mlot/simd.hpp cannot go below.
#include <xsimd/xsimd.hpp>
