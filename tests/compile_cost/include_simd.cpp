#include "mlot/simd.hpp"
