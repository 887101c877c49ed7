#pragma once
#include "mlot/primitive/sinkhorn.hpp"
#include "mlot/primitive/table_cost.hpp"
#include "mlot/simd/packed_matrix.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// A cost from tables, which are turned in any case.
template <class Cost>
struct packed_cost {
  Cost given;
  packed_cost(Cost const& cost, arena<host_memory>&) : given(cost) {}
  Cost const& view() const { return given; }
  void load() const {}
};
template <class T>
struct packed_cost<matrix_view<T const, host_memory>> : packed_matrix<T const> {
  using packed_matrix<T const>::packed_matrix;
};

/// What the iterations left, and the cost that they saw.
template <class T, class Cost>
struct packed_sinkhorn {
  packed_matrix<T> row_scaling, column_scaling;
  packed_cost<Cost> cost;
  sinkhorn<T, host_memory, Cost> of;
  [[gnu::noinline]] packed_sinkhorn(sinkhorn<T, host_memory, Cost> const& given,
                                    arena<host_memory>& space)
      : row_scaling(given.history.row_scaling, space),
        column_scaling(given.history.column_scaling, space),
        cost(given.cost, space),
        of(given) {
    of.history.row_scaling = row_scaling.view();
    of.history.column_scaling = column_scaling.view();
    of.cost = cost.view();
  }
  [[gnu::noinline]] void load() const { row_scaling.load(), column_scaling.load(), cost.load(); }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
