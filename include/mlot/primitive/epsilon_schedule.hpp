#pragma once
#include <algorithm>

#include "mlot/core/compute.hpp"
#include "mlot/primitive/sinkhorn.hpp"
namespace mlot::MLOT_SET {
/// A start for iterations at a small epsilon: some iterations at each of
///
///   epsilon_q = first factor^q,  q = 0, 1, ... while epsilon_q > of.epsilon
///
/// from the potentials that the one before left. Then run `of` with `start` for its warm_start: its
/// gradient treats the start as given, so it is the derivative of the N iterations at of.epsilon.
/// Pays where epsilon is far below the scale of a cost with a geometry and the plan is wanted
/// converged (tests/primitive/epsilon_schedule_test.cpp: less than half of the iterations between
/// points in the plane); between random costs it saves little.
/// What `of` writes (history, plan, distance) is work space here; its report is not written. Faults
/// are those of sinkhorn. Source: Schmitzer, Stabilized sparse scaling algorithms (2019), 3.2.
template <real T, class Memory, class Cost = matrix_view<T const, Memory>>
struct epsilon_schedule {
  using memory = Memory;
  sinkhorn<T, Memory, Cost>
      of{};                 ///< the problem; what starts its iterations starts the first here
  T first = T(1);           ///< the first epsilon, above 0
  T factor = T(0.5);        ///< from each to the next, above 0 and below 1
  index_t iterations = 10;  ///< at each, at least 1
  vector_view<T, Memory> start{};  ///< (column tokens) written: potentials g

  constexpr status check() const {
    return requirement()
        .also(of.check())
        .temperature("epsilon_schedule.first", first)
        .that(factor > T(0) && factor < T(1), fault::value, "epsilon_schedule.factor",
              as_double(factor), "above 0 and below 1")
        .at_least("epsilon_schedule.iterations", iterations, 1, "at least 1")
        .vector("epsilon_schedule.start", start, of.batch.columns, "one element a column token")
        .answer();
  }
  /// The iterations at one epsilon.
  constexpr sinkhorn<T, Memory, Cost> stage(T const& epsilon, bool begins) const {
    sinkhorn<T, Memory, Cost> p = of;
    p.epsilon = epsilon;
    p.iterations = iterations;
    p.tolerance = T(0);
    p.history.row_scaling = of.history.row_scaling.row_range(0, 1);
    p.history.column_scaling = of.history.column_scaling.row_range(0, 1);
    p.report = {.column_potential = start};
    if (!begins) p.warm_start = start;
    return p;
  }
};

template <class Device, real T, class Cost>
std::size_t scratch_size(Device device,
                         epsilon_schedule<T, typename Device::memory, Cost> const& p) {
  return workspace_size(device, p.stage(p.first, true));
}

template <class Device, real T, class Cost>
status run(Device device, epsilon_schedule<T, typename Device::memory, Cost> const& p,
           workspace<typename Device::memory> scratch) {
  status answer = compute(device, p.stage((std::max)(p.first, p.of.epsilon), true), scratch);
  for (T epsilon = p.first * p.factor; epsilon > p.of.epsilon && answer.ok(); epsilon *= p.factor)
    answer = compute(device, p.stage(epsilon, false), scratch);
  return answer;
}
}  // namespace mlot::MLOT_SET
