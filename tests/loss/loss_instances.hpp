#pragma once
#include "devices.hpp"
// The loss is the costly part of every test that runs it, so its common forms are compiled once, in
// loss_instances.cpp.
#define LOSS_INSTANCE(keyword, Device, T)                                          \
  keyword template mlot::status mlot::compute(Device, mlot::multi_level<T> const&, \
                                              mlot::workspace<mlot::host_memory>); \
  keyword template std::size_t mlot::workspace_size(Device, mlot::multi_level<T> const&);
#define LOSS_INSTANCES(keyword, Device) \
  LOSS_INSTANCE(keyword, Device, float) \
  LOSS_INSTANCE(keyword, Device, double)

#ifndef LOSS_INSTANCES_HERE
LOSS_INSTANCES(extern, mlot::on::scalar)
#  if MLOT_TEST_GRID
LOSS_INSTANCES(extern, mlot::on::grid_under_test)
#  elif MLOT_TEST_SIMD
LOSS_INSTANCES(extern, mlot::on::simd<>)
#  endif
#endif
