#pragma once
#include "mlot/primitive/middle.hpp"
#include "mlot/simd/loops.hpp"
