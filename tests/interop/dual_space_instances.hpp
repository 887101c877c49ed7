#pragma once
#include "devices.hpp"
#include "mlot/interop/dual_space.hpp"
// The loss is the costly part of every test that runs it, so its common forms are compiled once, in
// dual_space_instances.cpp.
#define DUAL_SPACE_INSTANCE(keyword, Device, T)                                    \
  keyword template mlot::status mlot::compute(Device, mlot::dual_space<T> const&,  \
                                              mlot::workspace<mlot::host_memory>); \
  keyword template std::size_t mlot::workspace_size(Device, mlot::dual_space<T> const&);
#define DUAL_SPACE_INSTANCES(keyword, Device) \
  DUAL_SPACE_INSTANCE(keyword, Device, float) \
  DUAL_SPACE_INSTANCE(keyword, Device, double)

#ifndef DUAL_SPACE_INSTANCES_HERE
DUAL_SPACE_INSTANCES(extern, mlot::on::scalar)
#  if MLOT_TEST_SIMD
DUAL_SPACE_INSTANCES(extern, mlot::on::simd<>)
#  endif
#endif
