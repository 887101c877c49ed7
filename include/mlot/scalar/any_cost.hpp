#pragma once
#include "mlot/primitive/sinkhorn.hpp"
/// The cost of a Sinkhorn problem without its type: a matrix, or who computes it from tables. What
/// iterates is compiled once for both.
namespace mlot::MLOT_SET::scalar {
/// The costs of one problem, computed where they are asked for.
template <real T, class Ground, storage Table>
struct computed_cost {
  table_cost<T, host_memory, Ground, Table> const& tables;
  index_t row_first, column_first, rows, cols;
  T operator()(index_t i, index_t j) const {
    wide_t<T> sum(0);
    for (index_t l = 0; l < tables.teacher.cols; ++l)
      sum += tables.ground.value(load_as<T>(tables.teacher(row_first + i, l)),
                                 load_as<T>(tables.student(column_first + j, l)));
    return T(sum);
  }
};
template <real T>
auto cost_of(sinkhorn<T, host_memory> const& p, index_t b) {
  return p.batch.of(p.cost, b);
}
template <real T, class Ground, storage Table>
auto cost_of(sinkhorn<T, host_memory, table_cost<T, host_memory, Ground, Table>> const& p,
             index_t b) {
  return computed_cost<T, Ground, Table>{p.cost, p.batch.row_offset(b), p.batch.column_offset(b),
                                         p.batch.row_count(b), p.batch.column_count(b)};
}

/// A Cost: C, or who computes a piece of it.
template <class T>
struct any_cost {
  matrix_view<T const, host_memory> matrix{};  ///< C, where it is
  void const* tables = nullptr;
  /// Writes C(row .. row + rows - 1, first .. first + width - 1) of problem b to `out`; rows count
  /// in the batch, columns in the problem.
  void (*write)(void const* tables, index_t b, index_t row, index_t rows, index_t first,
                index_t width, T* out, index_t stride) = nullptr;
  /// C(i, j) of problem b as the scalar device computes it: for faults.
  T (*entry)(void const* tables, index_t b, index_t i, index_t j) = nullptr;
  bool computed() const { return entry != nullptr; }
};
template <class T>
constexpr status check_cost(char const*, any_cost<T> const&, problem_batch<host_memory> const&) {
  return {};
}
template <real T>
struct any_cost_of_problem {
  any_cost<T> const& all;
  index_t b, row_first, rows, cols;
  T operator()(index_t i, index_t j) const {
    return all.computed() ? all.entry(all.tables, b, i, j) : all.matrix(row_first + i, j);
  }
};
template <real T>
auto cost_of(sinkhorn<T, host_memory, any_cost<T>> const& p, index_t b) {
  return any_cost_of_problem<T>{p.cost, b, p.batch.row_offset(b), p.batch.row_count(b),
                                p.batch.column_count(b)};
}
template <class T>
using any_sinkhorn = sinkhorn<T, host_memory, any_cost<T>>;
template <class T, class Cost>
[[gnu::noinline]] any_sinkhorn<T> with_cost(sinkhorn<T, host_memory, Cost> const& p,
                                            any_cost<T> const& cost) {
  return {p.batch,      cost,        p.row_marginal, p.column_marginal, p.epsilon,
          p.iterations, p.tolerance, p.domain,       p.warm_start,      p.history,
          p.plan,       p.distance,  p.report};
}

/// The scalar device's: entry by entry.
template <real T>
any_cost<T> any_cost_of(sinkhorn<T, host_memory> const& p) {
  return {p.cost};
}
template <real T, class Ground, storage Table>
any_cost<T> any_cost_of(
    sinkhorn<T, host_memory, table_cost<T, host_memory, Ground, Table>> const& p) {
  using of = sinkhorn<T, host_memory, table_cost<T, host_memory, Ground, Table>>;
  return {{}, &p, nullptr, [](void const* self, index_t b, index_t i, index_t j) {
            return T(cost_of(*static_cast<of const*>(self), b)(i, j));
          }};
}
template <real T>
any_cost<T> any_cost_of(sinkhorn<T, host_memory, any_cost<T>> const& p) {
  return p.cost;
}
}  // namespace mlot::MLOT_SET::scalar
