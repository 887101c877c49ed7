#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/core/view.hpp"
namespace mlot::MLOT_SET::scalar {
/// The passes over a student's row, as the scalar device makes them.
template <real T>
struct scalar_row {
  using row = vector_view<T, host_memory>;
  /// Copies logits; false where one is NaN or +inf. `top` becomes the largest.
  template <storage S>
  static bool load(vector_view<S const, host_memory> logits, row const& to, T& top) {
    top = -infinity<T>;
    for (index_t v = 0; v < to.size; ++v) {
      to(v) = load_as<T>(logits(v));
      if (!(to(v) < infinity<T>)) return false;
      top = (std::max)(top, to(v));
    }
    return true;
  }
  static T largest(row const& z) {
    T top = -infinity<T>;
    for (index_t v = 0; v < z.size; ++v) top = (std::max)(top, z(v));
    return top;
  }
  /// sum_v exp((z_v - top) inverse), for a finite top
  static T sum(row const& z, T const& top, T const& inverse) {
    wide_t<T> all(0);
    for (index_t v = 0; v < z.size; ++v) all += power(z(v), top, inverse);
    return T(all);
  }
  /// to_v += factor exp((z_v - top) inverse)
  static void add(row const& z, T const& top, T const& inverse, T const& factor, row const& to) {
    for (index_t v = 0; v < z.size; ++v) to(v) += T(factor * power(z(v), top, inverse));
  }
  template <storage G>
  static void write(row const& from, vector_view<G, host_memory> to) {
    for (index_t v = 0; v < from.size; ++v) to(v) = store_as<G>(from(v));
  }

 private:
  static T power(T const& z, T const& top, T const& inverse) {
    using std::exp;
    return z > -infinity<T> ? T(exp(T((z - top) * inverse))) : T(0);
  }
};
}  // namespace mlot::MLOT_SET::scalar
