#include "losses.hpp"
#include "mlot/simd.hpp"
numbers with_simd() { return losses_on(mlot::on::simd<>()); }
