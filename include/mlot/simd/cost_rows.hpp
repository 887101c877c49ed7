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
/// x where P carries mass, 0 elsewhere: there x may come of an infinite cost.
template <class Batch>
Batch where_mass(Batch const& mass, Batch const& x) {
  return xsimd::select(mass > Batch(0), x, Batch(0));
}
/// A kernel's entry for kernel_rows.
inline constexpr auto gibbs_entry = [](auto const& rows, index_t i, index_t j, auto which) {
  return rows.kernel(i, j, which);
};

/// Memory for what is computed. Rows of C that exist need none.
template <class T, class Cost>
struct cost_scratch {
  cost_scratch(Cost const&, problem_batch<host_memory> const&, index_t, arena<host_memory>&) {}
  void prepare(Cost const&) const {}
};
template <class T, class Ground, storage Table>
struct cost_scratch<T, table_cost<T, host_memory, Ground, Table>> {
  using Cost = table_cost<T, host_memory, Ground, Table>;
  static constexpr index_t group = 8;  ///< rows that one passage of the student's table serves
  problem_batch<host_memory> batch;
  turned_tables<T, Table> tables;
  matrix_view<T, host_memory> rows;
  cost_scratch(Cost const& cost, problem_batch<host_memory> const& of, index_t blocks,
               arena<host_memory>& space)
      : batch(of),
        tables(of, cost.student.cols, space),
        rows(space.matrix<T>(blocks * group, of.longest_row)) {}
  void prepare(Cost const& cost) const { tables.prepare(batch, cost.teacher, cost.student); }
};

/// One problem's rows of C, as one thread sees them.
template <class Batch, class Cost>
struct cost_source {
  using T = typename Batch::value_type;
  static constexpr bool computed = false;
  sinkhorn_problem<T, Cost> const& problem;
  row_blocks<Batch> const& blocks;
  cost_scratch<T, Cost> const& scratch;
  Batch rate = Batch(T(-1) / problem.epsilon);

  /// Row i of block k, and some more.
  cost_rows<Batch> rows(index_t, index_t) const {
    return {&problem.cost(0, 0), problem.cost.row_stride, 0, 0, rate};
  }
  Batch cost(index_t i, index_t j, auto which) const {
    return load_lanes<Batch>(&problem.cost(i, j), which);
  }
};

template <class Batch, class T, class Ground, storage Table>
struct cost_source<Batch, table_cost<T, host_memory, Ground, Table>> {
  using Cost = table_cost<T, host_memory, Ground, Table>;
  static constexpr bool computed = true;
  static constexpr index_t group = cost_scratch<T, Cost>::group;
  sinkhorn_problem<T, Cost> const& problem;
  row_blocks<Batch> const& blocks;
  cost_scratch<T, Cost> const& scratch;
  Batch rate = Batch(T(-1) / problem.epsilon);
  Ground const& ground = problem.p.cost.ground;
  turned_tables<T, Table> const& tables = scratch.tables;
  matrix_view<T const, host_memory> teacher = tables.teacher(problem.p.cost.teacher);

  /// Row i of block k and the rest of its group, which is computed when its first row is asked
  /// for: rows of a block are asked for in their order.
  cost_rows<Batch> rows(index_t k, index_t i) const {
    index_t const place = (i - blocks.begin(k)) % group;
    if (place == 0) compute(k, i);
    return {memory(k), scratch.rows.row_stride, i - place, 0, rate};
  }
  /// The same as rows of a kernel, entry(rows, i, j, which). A group is asked for in one of the two
  /// ways.
  template <class Entry>
  cost_rows<Batch> kernel_rows(index_t k, index_t i, Entry entry) const {
    auto const some = rows(k, i);
    if (some.first_row == i)
      for (index_t n = i; n < group_end(k, i); ++n)
        for_lanes<Batch>(problem.columns,
                         [=, out = memory(k) + (n - i) * some.stride](index_t j, auto which) {
                           store_lanes(out + j, entry(some, n, j, which), which);
                         });
    return some;
  }
  Batch cost(index_t i, index_t j, auto which) const {
    Batch sum(T(0));
    T const* const at = panel(j / tables.width) + j % tables.width;
    for (index_t l = 0; l < tables.k; ++l)
      sum += ground.value(Batch(teacher(problem.row_first + i, l)),
                          load_lanes<Batch>(at + l * tables.width, which));
    return sum;
  }
  /// Columns n width .. of the student's table.
  T* panel(index_t n) const { return tables.panel(scratch.batch, problem.b, n); }

 private:
  T* memory(index_t k) const { return &scratch.rows((blocks.first + k) * group, 0); }
  index_t group_end(index_t k, index_t i) const { return std::min(i + group, blocks.end(k)); }
  void compute(index_t k, index_t begin) const {
    index_t const stride = scratch.rows.row_stride;
    for (index_t j = 0, n = 0; j < problem.columns; j += tables.width, ++n)
      for_row_groups(begin, group_end(k, begin),
                     [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                       write_costs<Batch, Rows>(ground, teacher, panel(n), problem.row_first + i,
                                                std::min(tables.width, problem.columns - j),
                                                memory(k) + (i - begin) * stride + j, stride);
                     });
  }
};
}  // namespace mlot::on
