#pragma once
#include <mlot/mlot.hpp>
#include <mlot/primitive/middle.hpp>
#include <mlot/scalar/loops.hpp>
