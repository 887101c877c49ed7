#pragma once
#include <benchmark/benchmark.h>

#include <memory>

#include "agreement.hpp"
#include "bandwidth.hpp"
namespace bench {
/// A case is what one line of the table measures:
///
///   Case(shape)   makes the inputs; `Case::shape` is a struct that can be compared
///   steps()       a tuple of primitives or losses, computed in this order
///   results()     std::tie of the arrays that they write
///   items()       how much work that is, in the unit that the benchmark's file names
///   bytes()       that must at least be read and written; left out where memory is not the limit
template <class Case>
struct checked_case {
  Case one;
  char const* fault;  ///< why it must not be timed, or null
};

inline std::shared_ptr<void> living_case;  ///< one at a time: the largest take gigabytes

/// Google Benchmark calls a function several times for one line of its table. The case is made and
/// checked on the first of these calls and lives until another is asked for.
template <class Case>
checked_case<Case>& kept(typename Case::shape const& shape, typename Case::shape const& checked) {
  static std::weak_ptr<checked_case<Case>> last;
  static typename Case::shape shape_of_last;
  if (auto const same = last.lock(); same && shape_of_last == shape) return *same;
  living_case.reset();
  char const* fault = nullptr;
  if (checked != shape) {
    Case smaller(checked);
    fault = fault_of(smaller);
  }
  std::shared_ptr<checked_case<Case>> const made(new checked_case<Case>{Case(shape), fault});
  if (checked == shape) made->fault = fault_of(made->one);
  last = made;
  living_case = made;
  shape_of_last = shape;
  return *made;
}

/// Times a case on the simd device once its results are found right: on this shape or, where the
/// scalar device would take seconds, on the smaller one in `checked`.
///
/// Counters, rates of one second: GB/s, and of_copy, its share of the bandwidth with which this
/// process copies large arrays (above 1 for what fits into a cache); items_per_second; and bytes.
template <class Case>
Case& measure(benchmark::State& state, typename Case::shape const& shape,
              typename Case::shape const& checked) {
  auto& [one, fault] = kept<Case>(shape, checked);
  steps_on steps(mlot::on::simd<>{}, one.steps());
  if (fault == nullptr && !steps.compute().ok()) fault = "the simd device refused";
  if (fault != nullptr) {
    state.SkipWithError(fault);
    return one;
  }
  for (auto _ : state) benchmark::DoNotOptimize(steps.compute().ok());
  state.SetItemsProcessed(state.iterations() * one.items());
  if constexpr (requires { one.bytes(); }) {
    using benchmark::Counter;
    double const bytes = one.bytes();
    state.counters["bytes"] = bytes;
    state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["of_copy"] =
        Counter(bytes / copy_bandwidth(), Counter::kIsIterationInvariantRate);
  }
  return one;
}
template <class Case>
Case& measure(benchmark::State& state, typename Case::shape const& shape) {
  return measure<Case>(state, shape, shape);
}
}  // namespace bench
