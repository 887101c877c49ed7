#pragma once
#include "mlot/grid/device.hpp"
namespace mlot::MLOT_SET::simt {
/// A sum of many that carries what rounding loses along (Kahan): its error does not grow with
/// their number.
template <class T>
class long_sum {
 public:
  MLOT_DEVICE void add(T x) {
    T const next = x - lost_, sum = sum_ + next;
    lost_ = (sum - sum_) - next;
    sum_ = sum;
  }
  MLOT_DEVICE void scale(T factor) {
    sum_ *= factor;
    lost_ *= factor;
  }
  MLOT_DEVICE T value() const { return sum_ - lost_; }

 private:
  T sum_ = T(0), lost_ = T(0);
};

/// Sum of an array, in four parts.
template <int Count, class T>
MLOT_DEVICE T sum_of(T const (&x)[Count]) {
  T part[4] = {};
  MLOT_UNROLL
  for (int j = 0; j < Count; ++j) part[j % 4] += x[j];
  return (part[0] + part[1]) + (part[2] + part[3]);
}

/// N values that are added at once.
template <class T, int N>
struct values {
  T of[N];
  MLOT_DEVICE friend values operator+(values a, values const& b) {
    for (int k = 0; k < N; ++k) a.of[k] += b.of[k];
    return a;
  }
};
}  // namespace mlot::MLOT_SET::simt
