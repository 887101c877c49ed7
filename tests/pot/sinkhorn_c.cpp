// Sinkhorn behind a C interface, for compare.py: one problem, on each device and in each number
// type.
#include <cstddef>
#include <mlot/interop/describe.hpp>
#include <mlot/mlot.hpp>
#include <string>
#include <vector>
#if MLOT_TEST_SIMD
#  include <mlot/simd.hpp>
#endif
#define MLOT_C extern "C" __attribute__((visibility("default"))) char const*
using namespace mlot;

/// A problem and the memory for what is asked about it; `compare.py` has the same fields. Vectors
/// and the plan are dense, strides of the cost count elements.
template <class T>
struct c_problem {
  index_t rows, columns, row_stride, column_stride, iterations, domain;
  double epsilon, tolerance;
  T const *cost, *row_marginal, *column_marginal;
  T *plan, *row_potential, *column_potential;  ///< (rows, columns), (rows), (columns) written
  T* values;       ///< (3) written: distance, regularised and dual value
  index_t* facts;  ///< (3) written: whether logarithmic, iterations done, whether converged
};

namespace {
/// Answers null, or a sentence that says what was refused, valid until the thread's next call.
template <class Device, class T>
char const* solve(Device device, c_problem<T> const& c) {
  index_t const row_offset[] = {0, c.rows}, column_offset[] = {0, c.columns};
  std::vector<T> scalings(std::size_t(c.rows + c.columns));
  sinkhorn<T, host_memory> const p{
      .batch = {{row_offset, 2}, {column_offset, 2}, c.rows, c.columns, c.columns},
      .cost = {c.cost, c.rows, c.columns, c.row_stride, c.column_stride},
      .row_marginal = host::vector<T const>{c.row_marginal, c.rows},
      .column_marginal = host::vector<T const>{c.column_marginal, c.columns},
      .epsilon = T(c.epsilon),
      .iterations = c.iterations,
      .tolerance = T(c.tolerance),
      .domain = sinkhorn_domain(c.domain),
      .history = {.row_scaling = {scalings.data(), 1, c.rows, c.rows},
                  .column_scaling = {scalings.data() + c.rows, 1, c.columns, c.columns},
                  .logarithmic = {&c.facts[0], 1},
                  .iterations = {&c.facts[1], 1}},
      .plan = {c.plan, c.rows, c.columns, c.columns},
      .distance = {&c.values[0], 1},
      .report = {.converged = {&c.facts[2], 1},
                 .row_potential = {c.row_potential, c.rows},
                 .column_potential = {c.column_potential, c.columns},
                 .regularised = {&c.values[1], 1},
                 .dual = {&c.values[2], 1}}};
  std::vector<std::byte> scratch(workspace_size(device, p));
  status const answer = compute(device, p, {scratch.data(), scratch.size()});
  if (answer.ok()) return nullptr;
  thread_local std::string refusal;
  refusal = describe(answer);
  return refusal.c_str();
}
}  // namespace

MLOT_C sinkhorn_scalar_float32(c_problem<float> const& c) { return solve(on::scalar{}, c); }
MLOT_C sinkhorn_scalar_float64(c_problem<double> const& c) { return solve(on::scalar{}, c); }
#if MLOT_TEST_SIMD
MLOT_C sinkhorn_simd_float32(c_problem<float> const& c) { return solve(on::simd<>{}, c); }
MLOT_C sinkhorn_simd_float64(c_problem<double> const& c) { return solve(on::simd<>{}, c); }
#endif
