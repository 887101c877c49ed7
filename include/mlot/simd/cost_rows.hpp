#pragma once
#include "mlot/scalar/sinkhorn_problem.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/pairwise_cost.hpp"
/// Where the iterations find rows of C: in a matrix, or computed from tables, a group of rows of
/// one block at a time.
namespace mlot::on {
/// Rows of a matrix from one on.
template <class T>
struct strided_rows {
  T const* first;
  index_t stride;
};

/// Some rows of C, and what is made of their entries.
template <class Batch>
struct cost_rows {
  using T = typename Batch::value_type;
  T const* data;
  index_t stride, first_row, first_column;  ///< data is C(first_row, first_column)
  Batch rate;                               ///< -1 / epsilon

  Batch cost(index_t i, index_t j, auto which) const {
    return load_lanes<Batch>(data + (i - first_row) * stride + (j - first_column), which);
  }
  strided_rows<T> from(index_t i) const { return {data + (i - first_row) * stride, stride}; }
  Batch kernel(index_t i, index_t j, auto which) const {
    return exponential(Batch(cost(i, j, which) * rate));
  }
  /// -C / epsilon + other: an exponent of the log domain.
  Batch exponent(index_t i, index_t j, auto which, Batch const& other) const {
    return multiply_add(cost(i, j, which), rate, other);
  }
};

/// Memory for what is computed. Rows of C that exist need none.
template <class T, class Cost>
struct cost_scratch {
  cost_scratch(Cost const&, problem_batch<host_memory> const&, index_t, arena<host_memory>&) {}
  void prepare(Cost const&) const {}
};
template <class T, class Ground>
struct cost_scratch<T, table_cost<T, host_memory, Ground>> {
  static constexpr index_t group = 8;  ///< rows that one passage of the student's table serves
  matrix_view<T, host_memory> turned, rows;
  cost_scratch(table_cost<T, host_memory, Ground> const& cost,
               problem_batch<host_memory> const& batch, index_t blocks, arena<host_memory>& space)
      : turned(space.matrix<T>(cost.student.cols, batch.columns)),
        rows(space.matrix<T>(blocks * group, batch.longest_row)) {}
  void prepare(table_cost<T, host_memory, Ground> const& cost) const {
    turn<T>(cost.student, turned);
  }
};

/// One problem's rows of C, as one thread sees them.
template <class Batch, class Cost>
struct cost_source {
  using T = typename Batch::value_type;
  static constexpr bool computed = false;
  sinkhorn_problem<T, Cost> const& problem;
  row_blocks<Batch> const& blocks;
  cost_scratch<T, Cost> const& scratch;
  Batch rate = Batch(T(-1) / problem.p.epsilon);

  /// Row i of block k, and some more.
  cost_rows<Batch> rows(index_t, index_t) const {
    return {&problem.cost(0, 0), problem.cost.row_stride, 0, 0, rate};
  }
  Batch cost(index_t i, index_t j, auto which) const {
    return load_lanes<Batch>(&problem.cost(i, j), which);
  }
};

template <class Batch, class T, class Ground>
struct cost_source<Batch, table_cost<T, host_memory, Ground>> {
  using Cost = table_cost<T, host_memory, Ground>;
  static constexpr bool computed = true;
  static constexpr index_t group = cost_scratch<T, Cost>::group;
  sinkhorn_problem<T, Cost> const& problem;
  row_blocks<Batch> const& blocks;
  cost_scratch<T, Cost> const& scratch;
  Batch rate = Batch(T(-1) / problem.p.epsilon);
  Cost const& tables = problem.p.cost;

  /// Row i of block k and the rest of its group, which is computed when its first row is asked
  /// for: rows of a block are asked for in their order.
  cost_rows<Batch> rows(index_t k, index_t i) const {
    index_t const place = (i - blocks.begin(k)) % group;
    if (place == 0) compute(k, i);
    return {memory(k), scratch.rows.row_stride, i - place, 0, rate};
  }
  /// The same as rows of make(rows of C, i, j, which). A group is asked for in one of the ways.
  template <class Make>
  cost_rows<Batch> rows_made(index_t k, index_t i, Make make) const {
    auto const some = rows(k, i);
    if (some.first_row == i)
      for (index_t n = i; n < group_end(k, i); ++n)
        for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
          store_lanes(memory(k) + (n - i) * some.stride + j, make(some, n, j, which), which);
        });
    return some;
  }
  cost_rows<Batch> kernel_rows(index_t k, index_t i) const {
    return rows_made(k, i, [](auto const& costs, index_t n, index_t j, auto which) {
      return costs.kernel(n, j, which);
    });
  }
  Batch cost(index_t i, index_t j, auto which) const {
    Batch sum(T(0));
    for (index_t l = 0; l < scratch.turned.rows; ++l)
      sum += tables.ground.value(
          Batch(tables.teacher(problem.row_first + i, l)),
          load_lanes<Batch>(&scratch.turned(l, problem.column_first + j), which));
    return sum;
  }

 private:
  T* memory(index_t k) const { return &scratch.rows((blocks.first + k) * group, 0); }
  index_t group_end(index_t k, index_t i) const { return std::min(i + group, blocks.end(k)); }
  void compute(index_t k, index_t begin) const {
    constexpr index_t tile = 512;  // of the student's table in the second-level cache
    index_t const stride = scratch.rows.row_stride;
    for (index_t j = 0; j < problem.columns; j += tile)
      for_row_groups(begin, group_end(k, begin),
                     [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                       write_costs<Batch, Rows>(tables.ground, tables.teacher, scratch.turned,
                                                problem.row_first + i, problem.column_first + j,
                                                std::min(tile, problem.columns - j),
                                                memory(k) + (i - begin) * stride + j, stride);
                     });
  }
};
}  // namespace mlot::on
