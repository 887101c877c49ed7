#pragma once
#include "grid/emulated.hpp"
#include "mlot/grid.hpp"
namespace mlot::on {
using grid_under_test = emulated<host_memory>;
}  // namespace mlot::on
