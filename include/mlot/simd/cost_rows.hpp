#pragma once
#include "mlot/scalar/sinkhorn_problem.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/pairwise_cost.hpp"
/// Where the iterations find rows of C: in a matrix, or computed from tables, a group of rows of
/// one block at a time. What makes the rows is behind a pointer, so that all that reads them is
/// compiled once.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_cost;
using scalar::any_problem;
using scalar::computed_cost;

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
  T rate;                                   ///< -1 / epsilon

  Batch cost(index_t i, index_t j, auto which) const {
    return load_lanes<Batch>(data + (i - first_row) * stride + (j - first_column), which);
  }
  strided_rows<T> from(index_t i) const { return {data + (i - first_row) * stride, stride}; }
  Batch kernel(index_t i, index_t j, auto which) const {
    return exponential(product(cost(i, j, which), Batch(rate)));
  }
  /// -C / epsilon + other: an exponent of the log domain.
  Batch exponent(index_t i, index_t j, auto which, Batch const& other) const {
    return multiply_add(cost(i, j, which), Batch(rate), other);
  }
};
/// x where P carries mass, 0 elsewhere: there x may come of an infinite cost.
template <class Batch>
Batch where_mass(Batch const& mass, Batch const& x) {
  return xsimd::select(mass > Batch(0), x, Batch(0));
}

/// Memory for what is computed. Rows of C that exist need none.
inline constexpr index_t cost_group = 8;  ///< rows that one passage of the student's table serves
template <class T, class Cost>
struct cost_scratch {
  matrix_view<T, host_memory> rows{};
  cost_scratch(Cost const&, problem_batch<host_memory> const&, index_t, arena<host_memory>&) {}
  void prepare(Cost const&) const {}
  template <class Batch>
  any_cost<T> any(Cost const& cost) const {
    return {cost};
  }
};
template <class T, class Ground, storage Table>
struct cost_scratch<T, table_cost<T, host_memory, Ground, Table>> {
  using Cost = table_cost<T, host_memory, Ground, Table>;
  problem_batch<host_memory> batch;
  turned_tables<T, Table> tables;
  matrix_view<T, host_memory> rows;
  mutable Cost const* of = nullptr;
  cost_scratch(Cost const& cost, problem_batch<host_memory> const& all, index_t blocks,
               arena<host_memory>& space)
      : batch(all),
        tables(all, cost.student.cols, space),
        rows(space.matrix<T>(blocks * cost_group, all.longest_row)) {}
  void prepare(Cost const& cost) const { tables.prepare(batch, cost.teacher, cost.student); }
  template <class Batch>
  any_cost<T> any(Cost const& cost) const {
    of = &cost;
    return {{}, this, write_piece<Batch>, entry};
  }
  template <class Batch>
  static void write_piece(void const* self, index_t b, index_t row, index_t count, index_t first,
                          index_t width, T* out, index_t stride) {
    auto const& own = *static_cast<cost_scratch const*>(self);
    auto const teacher = own.tables.teacher(own.of->teacher);
    for (index_t at = 0; at < width;) {
      index_t const n = (first + at) / own.tables.width, in = (first + at) % own.tables.width;
      index_t const some = (std::min)(own.tables.width - in, width - at);
      write_cost_rows<Batch>(own.of->ground, teacher, own.tables.panel(own.batch, b, n) + in, row,
                             count, some, out + at, stride);
      at += some;
    }
  }
  static T entry(void const* self, index_t b, index_t i, index_t j) {
    auto const& own = *static_cast<cost_scratch const*>(self);
    auto const& p = own.batch;
    return computed_cost<T, Ground, Table>{*own.of, p.row_offset(b), p.column_offset(b),
                                           p.row_count(b), p.column_count(b)}(i, j);
  }
};

/// One problem's rows of C, as one thread sees them.
template <class Batch>
struct cost_source {
  using T = typename Batch::value_type;
  any_problem<T> const& problem;
  row_blocks<Batch> const& blocks;
  matrix_view<T, host_memory> group_rows;  ///< of every block
  T rate = T(-1) / problem.epsilon;
  bool computed = problem.p.cost.computed();

  /// Row i of block k and the rest of its group, which is computed when its first row is asked
  /// for: rows of a block are asked for in their order.
  cost_rows<Batch> rows(index_t k, index_t i) const {
    auto const& c = problem.p.cost;
    if (!computed)
      return {c.matrix.data + problem.row_first * c.matrix.row_stride, c.matrix.row_stride, 0, 0,
              rate};
    index_t const place = (i - blocks.begin(k)) % cost_group, stride = group_rows.row_stride;
    if (place == 0)
      c.write(c.tables, problem.b, problem.row_first + i, group_end(k, i) - i, 0, problem.columns,
              memory(k), stride);
    return {memory(k), stride, i - place, 0, rate};
  }
  /// Whether row i begins a group, and where that ends.
  index_t group_end(index_t k, index_t i) const {
    return (std::min)(i + cost_group, blocks.end(k));
  }
  T* memory(index_t k) const { return &group_rows((blocks.first + k) * cost_group, 0); }
  Batch cost(index_t i, index_t j, auto which) const {
    auto const& c = problem.p.cost;
    if (!computed) return load_lanes<Batch>(&c.matrix(problem.row_first + i, j), which);
    alignas(64) T lane[Batch::size] = {};
    c.write(c.tables, problem.b, problem.row_first + i, 1, j,
            (std::min<index_t>)(Batch::size, problem.columns - j), lane, 0);
    return Batch::load_aligned(lane);
  }
};
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
