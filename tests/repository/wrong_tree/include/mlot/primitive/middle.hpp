#pragma once
#include "mlot/core/low.hpp"
#include "mlot/scalar/loops.hpp"
