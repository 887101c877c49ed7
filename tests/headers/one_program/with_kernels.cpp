#include "grid/emulated.hpp"
#include "losses.hpp"
#include "mlot/grid.hpp"
numbers with_kernels() { return losses_on(kit::emulated<>()); }
