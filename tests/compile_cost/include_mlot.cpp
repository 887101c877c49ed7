#include "mlot/mlot.hpp"
