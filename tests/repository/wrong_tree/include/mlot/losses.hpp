#pragma once
#include "mlot/loss/high.hpp"
#include "mlot/scalar/loops.hpp"
