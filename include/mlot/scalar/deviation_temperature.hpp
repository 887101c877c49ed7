#pragma once
#include <cmath>

#include "mlot/primitive/deviation_temperature.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, storage S>
status run(device, deviation_temperature<T, S, host_memory> const& p, workspace<host_memory>) {
  using std::sqrt;
  for (index_t i = 0; i < p.tokens.tokens(); ++i) {
    index_t const r = p.tokens.row(i);
    wide_t<T> sum(0), squares(0);
    index_t finite = 0;
    for (index_t v = 0; r >= 0 && v < p.logits.cols; ++v)
      if (T const z = load_as<T>(p.logits(r, v)); z > -infinity<T>) {
        sum += z;
        ++finite;
      }
    wide_t<T> const mean = finite > 0 ? wide_t<T>(sum / wide_t<T>(double(finite))) : wide_t<T>(0);
    for (index_t v = 0; r >= 0 && v < p.logits.cols; ++v)
      if (T const z = load_as<T>(p.logits(r, v)); z > -infinity<T>)
        squares += wide_t<T>(z - mean) * wide_t<T>(z - mean);
    p.mean(i) = T(mean);
    p.deviation(i) = finite > 1 && squares > wide_t<T>(0)
                         ? T(sqrt(wide_t<T>(squares / wide_t<T>(double(finite - 1)))))
                         : T(0);
    p.temperature(i) = r >= 0 ? T(p.base * (p.deviation(i) + p.offset)) : p.base;
  }
  return {};
}

template <real T, storage S, storage G>
status run(device, deviation_temperature_gradient<T, S, G, host_memory> const& p,
           workspace<host_memory>) {
  auto const& of = p.of;
  for (index_t i = 0; i < of.tokens.tokens(); ++i) {
    index_t const r = of.tokens.row(i);
    if (r < 0 || of.deviation(i) == T(0)) continue;
    wide_t<T> moment(0);
    index_t finite = 0;
    auto const each_finite = [&](auto visit) {
      for (index_t v = 0; v < of.logits.cols; ++v)
        if (T const z = load_as<T>(of.logits(r, v)); z > -infinity<T>) visit(v, z);
    };
    each_finite([&](index_t v, T const& z) {
      moment += T(load_as<T>(p.gradient(r, v)) * z);
      ++finite;
    });
    T const slope =
        T(moment) * of.base / (of.temperature(i) * of.deviation(i) * T(double(finite - 1)));
    each_finite([&](index_t v, T const& z) {
      p.gradient(r, v) = store_as<G>(T(load_as<T>(p.gradient(r, v)) - slope * (z - of.mean(i))));
    });
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
