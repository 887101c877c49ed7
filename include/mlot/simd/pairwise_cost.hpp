#pragma once
#include <algorithm>

#include "mlot/core/segment.hpp"
#include "mlot/scalar/pairwise_cost.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/row_blocks.hpp"
namespace mlot::on {
/// Turns the student's table to (K, column tokens): lanes then run over student tokens.
template <real T>
void turn(matrix_view<T const, host_memory> from, matrix_view<T, host_memory> to) {
  constexpr index_t tile = 16;  // rows of one cache line of the turned table
  parallel_for((from.rows + tile - 1) / tile, 8, from.rows * from.cols, [&](index_t block) {
    index_t const end = std::min(from.rows, (block + 1) * tile);
    for (index_t l = 0; l < from.cols; ++l)
      for (index_t j = block * tile; j < end; ++j) to(l, j) = from(j, l);
  });
}

/// Costs of `Rows` consecutive teacher rows, from i on, against `count` student tokens from `first`
/// on: a register holds one row's costs of a batch of student tokens while the columns of the
/// tables go by. Row r is written at out + r stride.
template <class Batch, index_t Rows, class T, class Ground>
void write_costs(Ground const& ground, matrix_view<T const, host_memory> teacher,
                 matrix_view<T, host_memory> turned, index_t i, index_t first, index_t count,
                 T* out, index_t stride) {
  for_lanes<Batch>(count, [&](index_t j, auto which) {
    Batch sum[Rows];
    for (index_t r = 0; r < Rows; ++r) sum[r] = Batch(T(0));
    for (index_t l = 0; l < turned.rows; ++l) {
      Batch const s = load_lanes<Batch>(&turned(l, first + j), which);
      for (index_t r = 0; r < Rows; ++r) sum[r] += ground.value(Batch(teacher(i + r, l)), s);
    }
    for (index_t r = 0; r < Rows; ++r) store_lanes(out + r * stride + j, sum[r], which);
  });
}

template <class Arch, has_lanes T, class Ground>
std::size_t scratch_size(simd<Arch>, pairwise_cost<T, host_memory, Ground> const& p) {
  arena<host_memory> space;
  space.matrix<T>(p.student.cols, p.batch.columns);
  return space.bytes();
}

template <class Arch, has_lanes T, class Ground>
status run(simd<Arch>, pairwise_cost<T, host_memory, Ground> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.cost.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  auto const turned = space.matrix<T>(p.student.cols, p.batch.columns);
  turn<T>(p.student, turned);
  constexpr index_t rows = 16;
  index_t const work = p.batch.rows * p.batch.longest_row * p.student.cols;
  parallel_for((p.batch.rows + rows - 1) / rows, 1, work, [&](index_t block) {
    index_t const end = std::min((block + 1) * rows, p.batch.rows);
    index_t b = segment_of(p.batch.row_offset, block * rows);
    for (index_t i = block * rows; i < end;) {
      while (i >= p.batch.row_offset(b + 1)) ++b;
      index_t const problem_end = std::min(end, p.batch.row_offset(b + 1));
      for_row_groups(
          i, problem_end, [&]<index_t Rows>(index_t row, std::integral_constant<index_t, Rows>) {
            write_costs<batch, Rows>(p.ground, p.teacher, turned, row, p.batch.column_offset(b),
                                     p.batch.column_count(b), &p.cost(row, 0), p.cost.row_stride);
          });
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

/// One tile of the way back: `width` student tokens, columns `first` .. of the turned table. Their
/// gradients stay in `sums` (K, most) while the upstream matrix goes by once, some rows at a time.
template <class Batch, class Ground>
struct cost_gradient_tile {
  using T = typename Batch::value_type;
  static constexpr index_t most = 4 * index_t(Batch::size), rows = 32;
  Ground const& ground;
  matrix_view<T const, host_memory> teacher;
  matrix_view<T, host_memory> turned;
  index_t first, width;
  T* sums;

  void clear() const { std::fill_n(sums, turned.rows * most, T(0)); }
  /// Adds teacher rows i .. past - 1, for which upstream(row, at, which) answers lanes of the
  /// upstream matrix at student token first + at.
  template <class Upstream>
  void add(index_t i, index_t past, Upstream upstream) const {
    index_t l = 0;
    for (; l + 4 <= turned.rows; l += 4) add_columns<4>(i, past, l, upstream);
    for (; l < turned.rows; ++l) add_columns<1>(i, past, l, upstream);
  }
  void write(matrix_view<T, host_memory> gradient, T weight) const {
    for (index_t at = 0; at < width; ++at)
      for (index_t l = 0; l < turned.rows; ++l)
        gradient(first + at, l) = weight * sums[l * most + at];
  }

 private:
  template <index_t Columns, class Upstream>
  void add_columns(index_t i, index_t past, index_t l, Upstream upstream) const {
    for_lanes<Batch>(width, [&](index_t at, auto which) {
      Batch s[Columns], sum[Columns];
      for (index_t c = 0; c < Columns; ++c) {
        s[c] = load_lanes<Batch>(&turned(l + c, first + at), which);
        sum[c] = Batch::load_aligned(sums + (l + c) * most + at);
      }
      for (index_t row = i; row < past; ++row) {
        Batch const above = upstream(row, at, which);
        for (index_t c = 0; c < Columns; ++c)
          sum[c] = add_slope(ground, sum[c], above, Batch(teacher(row, l + c)), s[c]);
      }
      for (index_t c = 0; c < Columns; ++c) sum[c].store_aligned(sums + (l + c) * most + at);
    });
  }
};

/// Tiles of all problems, and their sums.
template <class Batch>
struct cost_gradient_tiles {
  using T = typename Batch::value_type;
  static constexpr index_t width = 4 * index_t(Batch::size);
  matrix_view<T, host_memory> turned, sums;
  index_t a_problem;  ///< most tiles that one has
  cost_gradient_tiles(problem_batch<host_memory> const& batch, index_t k, arena<host_memory>& space)
      : turned(space.matrix<T>(k, batch.columns)),
        sums(space.matrix<T>(batch.columns / width + batch.problems(), k * width)),
        a_problem((batch.longest_row + width - 1) / width) {}
};

template <class Arch, has_lanes T, class Ground>
std::size_t scratch_size(simd<Arch>, pairwise_cost_gradient<T, host_memory, Ground> const& p) {
  arena<host_memory> space;
  cost_gradient_tiles<lanes_of<T, Arch>>(p.of.batch, p.of.student.cols, space);
  return space.bytes();
}

template <class Arch, has_lanes T, class Ground>
status run(simd<Arch>, pairwise_cost_gradient<T, host_memory, Ground> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.upstream.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  cost_gradient_tiles<batch> const tiles(p.of.batch, p.of.student.cols, space);
  turn<T>(p.of.student, tiles.turned);
  index_t const work = p.of.batch.rows * p.of.batch.longest_row * p.of.student.cols;
  parallel_for(p.of.batch.problems() * tiles.a_problem, 1, work, [&](index_t n) {
    index_t const b = n / tiles.a_problem, tile = n % tiles.a_problem, j = tile * tiles.width;
    index_t const width = std::min(tiles.width, p.of.batch.column_count(b) - j);
    index_t const place = p.of.batch.column_offset(b) / tiles.width + b + tile;
    if (width <= 0) return;
    cost_gradient_tile<batch, Ground> const all{p.of.ground,  p.of.teacher,
                                                tiles.turned, p.of.batch.column_offset(b) + j,
                                                width,        &tiles.sums(place, 0)};
    all.clear();
    index_t const end = p.of.batch.row_offset(b + 1);
    for (index_t i = p.of.batch.row_offset(b); i < end; i += all.rows)
      all.add(i, std::min(i + all.rows, end), [&](index_t row, index_t at, auto which) {
        return load_lanes<batch>(&p.upstream(row, j + at), which);
      });
    all.write(p.student_gradient, p.weight(b));
  });
  return {};
}
}  // namespace mlot::on
