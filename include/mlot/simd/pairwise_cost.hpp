#pragma once
#include <algorithm>

#include "mlot/core/segment.hpp"
#include "mlot/cost/squared_difference.hpp"
#include "mlot/scalar/pairwise_cost.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/row_blocks.hpp"
#include "mlot/simd/turned_table.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// sum + value(t, s).
template <class Batch, class Ground>
Batch add_value(Ground const& ground, Batch const& sum, Batch const& t, Batch const& s) {
  return sum + ground.value(t, s);
}
template <class Batch>
Batch add_value(squared_difference const&, Batch const& sum, Batch const& t, Batch const& s) {
  Batch const difference = t - s;
  return multiply_add(difference, difference, sum);
}

/// Costs of `Rows` consecutive teacher rows, from i on, against the first `count` tokens of a panel
/// of the student's table: a register holds one row's costs of a batch of student tokens while the
/// columns of the tables go by. Row r is written at out + r stride.
template <class Batch, index_t Rows, class T, class Ground>
void write_costs(Ground const& ground, matrix_view<T const, host_memory> teacher, T const* panel,
                 index_t i, index_t count, T* out, index_t stride) {
  constexpr index_t width = turned_tables<T, T>::width;
  for_lanes<Batch>(count, [=, &ground](index_t j, auto which) {
    Batch sum[Rows];
    for (index_t r = 0; r < Rows; ++r) sum[r] = Batch(T(0));
    for (index_t l = 0; l < teacher.cols; ++l) {
      Batch const s = load_lanes<Batch>(panel + l * width + j, which);
      for (index_t r = 0; r < Rows; ++r)
        sum[r] = add_value(ground, sum[r], Batch(teacher(i + r, l)), s);
    }
    for (index_t r = 0; r < Rows; ++r) store_lanes(out + r * stride + j, sum[r], which);
  });
}

template <class Batch, class T, class Ground>
[[gnu::noinline]] void write_cost_rows(Ground const& ground,
                                       matrix_view<T const, host_memory> teacher, T const* panel,
                                       index_t begin, index_t rows, index_t count, T* out,
                                       index_t stride) {
  for_row_groups(begin, begin + rows,
                 [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
                   write_costs<Batch, Rows>(ground, teacher, panel, i, count,
                                            out + (i - begin) * stride, stride);
                 });
}

template <class Arch, has_lanes T, class Ground, storage Table>
std::size_t scratch_size(device<Arch>, pairwise_cost<T, host_memory, Ground, Table> const& p) {
  arena<host_memory> space;
  turned_tables<T, Table>(p.batch, p.student.cols, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Ground, storage Table>
status run(device<Arch>, pairwise_cost<T, host_memory, Ground, Table> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.cost.col_stride != 1) return run_strided(p, scratch);
  arena<host_memory> space(scratch);
  turned_tables<T, Table> const tables(p.batch, p.student.cols, space);
  tables.prepare(p.batch, p.teacher, p.student);
  auto const teacher = tables.teacher(p.teacher);
  constexpr index_t rows = 16;
  index_t const work = p.batch.rows * p.batch.longest_row * p.student.cols;
  parallel_for((p.batch.rows + rows - 1) / rows, 1, work, [&](index_t block) {
    index_t const end = (std::min)((block + 1) * rows, p.batch.rows);
    index_t b = segment_of(p.batch.row_offset, block * rows);
    for (index_t i = block * rows; i < end;) {
      while (i >= p.batch.row_offset(b + 1)) ++b;
      index_t const problem_end = (std::min)(end, p.batch.row_offset(b + 1));
      index_t const columns = p.batch.column_count(b);
      for (index_t n = 0; n * tables.width < columns; ++n)
        write_cost_rows<batch>(p.ground, teacher, tables.panel(p.batch, b, n), i, problem_end - i,
                               (std::min)(tables.width, columns - n * tables.width),
                               &p.cost(i, n * tables.width), p.cost.row_stride);
      i = problem_end;
    }
  });
  return {};
}

/// sum + upstream slope(t, s).
template <class Batch, class Ground>
Batch add_slope(Ground const& ground, Batch const& sum, Batch const& upstream, Batch const& t,
                Batch const& s) {
  return multiply_add(upstream, ground.slope(t, s), sum);
}
/// Its slope is -1, 0 or 1: two comparisons and two sums, where a sign takes twice as many.
template <class Batch>
Batch add_slope(absolute_difference const&, Batch const& sum, Batch const& upstream, Batch const& t,
                Batch const& s) {
  return add_where(t > s, add_where(s > t, sum, upstream), Batch(-upstream));
}

/// One panel on the way back: the first `width` of its student tokens. Their gradients stay in
/// `sums` (K, most) while the upstream matrix goes by once, some rows at a time.
template <class Batch, class Ground>
struct cost_gradient_tile {
  using T = typename Batch::value_type;
  static constexpr index_t most = turned_tables<T, T>::width, rows = 32;
  Ground const& ground;
  matrix_view<T const, host_memory> teacher;
  T const* panel;
  index_t width;
  T* sums;

  void clear() const { std::fill_n(sums, teacher.cols * most, T(0)); }
  /// Adds teacher rows i .. past - 1; above + n stride are lanes of the upstream matrix's row
  /// i + n at the panel's tokens.
  [[gnu::noinline]] void add(index_t i, index_t past, T const* above, index_t stride) const {
    index_t l = 0;
    for (; l + 4 <= teacher.cols; l += 4) add_columns<4>(i, past, l, above, stride);
    for (; l < teacher.cols; ++l) add_columns<1>(i, past, l, above, stride);
  }
  /// The gradients, of the student tokens from `first` on.
  void write(matrix_view<T, host_memory> gradient, index_t first, T weight) const {
    for (index_t at = 0; at < width; ++at)
      for (index_t l = 0; l < teacher.cols; ++l)
        gradient(first + at, l) = weight * sums[l * most + at];
  }

 private:
  template <index_t Columns>
  void add_columns(index_t i, index_t past, index_t l, T const* upstream, index_t stride) const {
    for_lanes<Batch>(width, [&](index_t at, auto which) {
      Batch s[Columns], sum[Columns];
      for (index_t c = 0; c < Columns; ++c) {
        s[c] = load_lanes<Batch>(panel + (l + c) * most + at, which);
        sum[c] = Batch::load_aligned(sums + (l + c) * most + at);
      }
      for (index_t row = i; row < past; ++row) {
        Batch const above = load_lanes<Batch>(upstream + (row - i) * stride + at, which);
        for (index_t c = 0; c < Columns; ++c)
          sum[c] = add_slope(ground, sum[c], above, Batch(teacher(row, l + c)), s[c]);
      }
      for (index_t c = 0; c < Columns; ++c) sum[c].store_aligned(sums + (l + c) * most + at);
    });
  }
};

/// Tables, and the sums of every panel.
template <class T, storage Table>
struct cost_gradient_scratch {
  turned_tables<T, Table> tables;
  matrix_view<T, host_memory> sums;
  cost_gradient_scratch(problem_batch<host_memory> const& batch, index_t k,
                        arena<host_memory>& space)
      : tables(batch, k, space), sums(space.matrix<T>(tables.panels.rows, tables.panels.cols)) {}
};

template <class Arch, has_lanes T, class Ground, storage Table>
std::size_t scratch_size(device<Arch>,
                         pairwise_cost_gradient<T, host_memory, Ground, Table> const& p) {
  arena<host_memory> space;
  cost_gradient_scratch<T, Table>(p.of.batch, p.of.student.cols, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Ground, storage Table>
status run(device<Arch>, pairwise_cost_gradient<T, host_memory, Ground, Table> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.upstream.col_stride != 1) return run_strided(p, scratch);
  arena<host_memory> space(scratch);
  problem_batch<host_memory> const& problems = p.of.batch;
  cost_gradient_scratch<T, Table> const all(problems, p.of.student.cols, space);
  auto const& tables = all.tables;
  tables.prepare(problems, p.of.teacher, p.of.student);
  auto const teacher = tables.teacher(p.of.teacher);
  index_t const most = (problems.longest_row + tables.width - 1) / tables.width;
  index_t const work = problems.rows * problems.longest_row * p.of.student.cols;
  parallel_for(problems.problems() * most, 1, work, [&](index_t place) {
    index_t const b = place / most, n = place % most, j = n * tables.width;
    index_t const width = (std::min)(tables.width, problems.column_count(b) - j);
    if (width <= 0) return;
    T* const panel = tables.panel(problems, b, n);
    cost_gradient_tile<batch, Ground> const own{p.of.ground, teacher, panel, width,
                                                all.sums.data + (panel - tables.panels.data)};
    own.clear();
    index_t const end = problems.row_offset(b + 1);
    for (index_t i = problems.row_offset(b); i < end; i += own.rows)
      own.add(i, (std::min)(i + own.rows, end), &p.upstream(i, j), p.upstream.row_stride);
    own.write(p.student_gradient, problems.column_offset(b) + j, p.weight(b));
  });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
