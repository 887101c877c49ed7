#pragma once
#include <mlot/mlot.hpp>
