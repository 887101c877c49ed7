#pragma once
#include "mlot/core/scalar.hpp"
namespace mlot::MLOT_SET {
/// Ground cost (teacher - student)^2; summed over columns it is the squared Euclidean cost, as
/// between points in space.
struct squared_difference {
  template <class V>
  MLOT_HOST_DEVICE static V value(V const& teacher, V const& student) {
    V const difference = teacher - student;
    return V(difference * difference);
  }
  template <class V>
  MLOT_HOST_DEVICE static V slope(V const& teacher, V const& student) {
    V const difference = student - teacher;
    return V(difference + difference);
  }
};
}  // namespace mlot::MLOT_SET
