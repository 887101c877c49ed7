#pragma once
#include <cmath>

#include "mlot/core/scalar.hpp"
namespace mlot::MLOT_SET {
/// Ground cost |teacher - student|; summed over columns it is the L1 cost of MultiLevelOT, eq. 17.
/// A ground cost is a value and its slope with respect to the student, for V = one number or one
/// SIMD batch. The slope at a kink is 0.
struct absolute_difference {
  template <class V>
  MLOT_HOST_DEVICE static V value(V const& teacher, V const& student) {
    using std::abs;
    return V(abs(V(teacher - student)));
  }
  template <class V>
  MLOT_HOST_DEVICE static V slope(V const& teacher, V const& student) {
    return V(sign(V(student - teacher)));
  }
};
}  // namespace mlot::MLOT_SET
