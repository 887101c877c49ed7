#pragma once
#include <cmath>

#include "mlot/grid/pack.hpp"
#include "mlot/grid/sums.hpp"
#include "mlot/primitive/deviation_temperature.hpp"
namespace mlot::MLOT_SET::simt {
/// What mean and deviation are taken of. +inf, like NaN, is for vocabulary_mass to report.
template <class T>
MLOT_DEVICE bool is_finite(T z) {
  using std::fabs;
  return fabs(z) < infinity<T>;
}

/// One block a token.
template <grid Device, class T, class S>
struct deviation_temperature_kernel {
  static constexpr int threads = Device::tuning.row_threads;
  using shared = nothing_shared;
  deviation_temperature<T, S, typename Device::memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    using std::sqrt;
    index_t const i = block.index(), r = p.tokens.row(i);
    if (r >= p.logits.rows) report(block, findings, finding::row, i);
    bool const present = r >= 0 && r < p.logits.rows;
    T mean(0), deviation(0);
    if (present) {
      // Sums are of differences to a logit of the row: what is equal has deviation 0, and logits
      // far from 0 lose nothing.
      T const origin = some_logit(block, r);
      index_t finite = 0;
      auto const sum = [&](auto of) { return block.all(own_sum(block, r, of), plus()); };
      T const differences = sum([&](T z) {
        ++finite;
        return T(z - origin);
      });
      finite = block.all(finite, plus());
      T const above = differences / T(most<index_t>(finite, 1));
      T const squares = sum([&](T z) { return T((z - origin - above) * (z - origin - above)); });
      mean = origin + above;
      if (finite > 1) deviation = sqrt(squares / T(finite - 1));
    }
    if (block.thread() > 0) return;
    p.mean(i) = mean;
    p.deviation(i) = deviation;
    p.temperature(i) = present ? p.base * (deviation + p.offset) : p.base;
  }

 private:
  /// Of of(z) over this thread's finite logits.
  template <class Block, class Of>
  MLOT_DEVICE T own_sum(Block& block, index_t r, Of of) const {
    auto const row = p.logits.row(r);
    long_sum<T> sum;
    for_row<T>(block, row, [&](auto part) {
      T z[part.count];
      part.load(row, z);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j) z[j] = is_finite(z[j]) ? of(z[j]) : T(0);
      sum.add(sum_of(z));
    });
    return sum.value();
  }
  /// A finite logit of the row, 0 if there is none.
  template <class Block>
  MLOT_DEVICE T some_logit(Block& block, index_t r) const {
    T some = -infinity<T>;
    for (index_t first = 0; first < p.logits.cols && some == -infinity<T>; first += threads) {
      index_t const v = first + block.thread();
      T const z = v < p.logits.cols ? load_as<T>(p.logits(r, v)) : -infinity<T>;
      some = block.all(is_finite(z) ? z : -infinity<T>, maximum());
    }
    return some > -infinity<T> ? some : T(0);
  }
};

/// One block a token.
template <grid Device, class T, class S, class G>
struct deviation_temperature_gradient_kernel {
  static constexpr int threads = Device::tuning.row_threads;
  using shared = nothing_shared;
  deviation_temperature_gradient<T, S, G, typename Device::memory> p;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    auto const& of = p.of;
    index_t const i = block.index(), r = of.tokens.row(i);
    if (r >= of.logits.rows) report(block, findings, finding::row, i);
    if (r < 0 || r >= of.logits.rows || of.deviation(i) == T(0)) return;
    auto const logits = of.logits.row(r);
    auto const gradient = p.gradient.row(r);
    index_t finite = 0;
    long_sum<T> sum;
    for_rows<T>(block, logits, gradient, [&](auto part) {
      T z[part.count], g[part.count];
      part.load(logits, z);
      part.load(gradient, g);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j) {
        finite += is_finite(z[j]);
        g[j] = is_finite(z[j]) ? g[j] * z[j] : T(0);
      }
      sum.add(sum_of(g));
    });
    finite = block.all(finite, plus());
    T const moment = block.all(sum.value(), plus()), mean = of.mean(i);
    T const slope = moment * of.base / (of.temperature(i) * of.deviation(i) * T(finite - 1));
    for_rows<T>(block, logits, gradient, [&](auto part) {
      T z[part.count], g[part.count];
      part.load(logits, z);
      part.load(gradient, g);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j)
        if (is_finite(z[j])) g[j] -= slope * (z[j] - mean);
      part.store(gradient, g);
    });
  }
};

template <grid Device, real T, storage S>
status run(Device device, deviation_temperature<T, S, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  launch(p.tokens.tokens(), deviation_temperature_kernel<Device, T, S>{p, device.findings});
  return launch.answer();
}

template <grid Device, real T, storage S, storage G>
status run(Device device, deviation_temperature_gradient<T, S, G, typename Device::memory> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  launch(p.of.tokens.tokens(),
         deviation_temperature_gradient_kernel<Device, T, S, G>{p, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
