#pragma once
#include <algorithm>

#include "mlot/scalar/pairwise_cost.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
namespace mlot::on {
/// Turns the student's table to (K, column tokens): lanes then run over student tokens.
template <real T>
void turn(matrix_view<T const, host_memory> from, matrix_view<T, host_memory> to) {
  constexpr index_t tile = 16;  // rows of one cache line of the turned table
  parallel_for((from.rows + tile - 1) / tile, 8, [&](index_t block) {
    index_t const end = std::min(from.rows, (block + 1) * tile);
    for (index_t l = 0; l < from.cols; ++l)
      for (index_t j = block * tile; j < end; ++j) to(l, j) = from(j, l);
  });
}

template <class Arch, has_lanes T, class Ground>
std::size_t scratch_size(simd<Arch>, pairwise_cost<T, host_memory, Ground> const& p) {
  arena<host_memory> space;
  space.matrix<T>(p.student.cols, p.batch.columns);
  return space.bytes();
}
template <class Arch, has_lanes T, class Ground>
std::size_t scratch_size(simd<Arch> device,
                         pairwise_cost_gradient<T, host_memory, Ground> const& p) {
  return scratch_size(device, p.of);
}

/// Costs of `Rows` consecutive teacher rows against the problem's student tokens: a register holds
/// one row's costs of a batch of student tokens while the columns of the tables go by.
template <class Batch, index_t Rows, class T, class Ground>
void cost_rows(pairwise_cost<T, host_memory, Ground> const& p, matrix_view<T, host_memory> turned,
               index_t b, index_t i) {
  index_t const first = p.batch.column_offset(b);
  for_lanes<Batch>(p.batch.column_count(b), [&](index_t j, auto which) {
    Batch sum[Rows];
    for (index_t r = 0; r < Rows; ++r) sum[r] = Batch(T(0));
    for (index_t l = 0; l < turned.rows; ++l) {
      Batch const s = load_lanes<Batch>(&turned(l, first + j), which);
      for (index_t r = 0; r < Rows; ++r) sum[r] += p.ground.value(Batch(p.teacher(i + r, l)), s);
    }
    for (index_t r = 0; r < Rows; ++r) store_lanes(&p.cost(i + r, j), sum[r], which);
  });
}

template <class Arch, has_lanes T, class Ground>
status run(simd<Arch>, pairwise_cost<T, host_memory, Ground> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.cost.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  auto const turned = space.matrix<T>(p.student.cols, p.batch.columns);
  turn<T>(p.student, turned);
  constexpr index_t rows = 4;
  for (index_t b = 0; b < p.batch.problems(); ++b) {
    index_t const first = p.batch.row_offset(b), count = p.batch.row_count(b);
    parallel_for((count + rows - 1) / rows, 8, [&](index_t block) {
      index_t i = first + block * rows;
      if (index_t const end = first + count; i + rows <= end)
        cost_rows<batch, rows>(p, turned, b, i);
      else
        for (; i < end; ++i) cost_rows<batch, 1>(p, turned, b, i);
    });
  }
  return {};
}

/// Gradients of `Columns` consecutive table columns for the problem's student tokens.
template <class Batch, index_t Columns, class T, class Ground>
void gradient_columns(pairwise_cost_gradient<T, host_memory, Ground> const& p,
                      matrix_view<T, host_memory> turned, index_t b, index_t l) {
  problem_batch<host_memory> const& batch = p.of.batch;
  index_t const first = batch.column_offset(b);
  for_lanes<Batch>(batch.column_count(b), [&](index_t j, auto which) {
    Batch s[Columns], sum[Columns];
    for (index_t c = 0; c < Columns; ++c) {
      s[c] = load_lanes<Batch>(&turned(l + c, first + j), which);
      sum[c] = Batch(T(0));
    }
    for (index_t i = batch.row_offset(b); i < batch.row_offset(b + 1); ++i) {
      Batch const upstream = load_lanes<Batch>(&p.upstream(i, j), which);
      for (index_t c = 0; c < Columns; ++c)
        sum[c] += upstream * p.of.ground.slope(Batch(p.of.teacher(i, l + c)), s[c]);
    }
    alignas(64) T lane[Batch::size];
    for (index_t c = 0; c < Columns; ++c) {
      (sum[c] * Batch(p.weight(b))).store_aligned(lane);
      index_t const count = std::min(index_t(Batch::size), batch.column_count(b) - j);
      for (index_t n = 0; n < count; ++n) p.student_gradient(first + j + n, l + c) = lane[n];
    }
  });
}

template <class Arch, has_lanes T, class Ground>
status run(simd<Arch>, pairwise_cost_gradient<T, host_memory, Ground> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (p.upstream.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  auto const turned = space.matrix<T>(p.of.student.cols, p.of.batch.columns);
  turn<T>(p.of.student, turned);
  constexpr index_t columns = 4;
  index_t const k = p.of.student.cols;
  for (index_t b = 0; b < p.of.batch.problems(); ++b)
    parallel_for((k + columns - 1) / columns, 1, [&](index_t block) {
      index_t l = block * columns;
      if (l + columns <= k)
        gradient_columns<batch, columns>(p, turned, b, l);
      else
        for (; l < k; ++l) gradient_columns<batch, 1>(p, turned, b, l);
    });
  return {};
}
}  // namespace mlot::on
