#pragma once
#include <mlot/interop/outside.hpp>
#include <mlot/loss/high.hpp>
#include <mlot/losses.hpp>
