#pragma once
#include "mlot/grid/device.hpp"
#include "mlot/grid/segment_tiles.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot::MLOT_SET::simt {
/// One block a tile of the costs of one problem. A slice of the tables' columns after the other
/// goes through shared memory; a warp has `rows_each` rows of the tile, a lane some of its columns.
template <grid Device, class T, class Ground, class Table>
struct pairwise_cost_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = least(Device::tuning.row_threads, 256), warps = threads / 32;
  static constexpr int rows_each = 8, columns_each = 2;  ///< of a thread
  static constexpr int rows = warps * rows_each, columns = 32 * columns_each, depth = 32;
  struct shared {
    alignas(16) T teacher[rows][depth];
    T student[columns][depth + 1];  // lanes that read one column of it meet different banks
  };
  pairwise_cost<T, memory, Ground, Table> p;

  index_t blocks() const {
    return segment_tiles<memory>{p.batch.row_offset, rows}.count(p.batch.rows) * tiles_across();
  }

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    auto const [b, i, height] =
        segment_tiles<memory>{p.batch.row_offset, rows}(block.index() / tiles_across());
    index_t const j = block.index() % tiles_across() * columns;
    index_t const width = p.batch.column_count(b) - j;
    if (height <= 0 || width <= 0) return;
    T sum[rows_each][columns_each] = {};
    for (index_t l = 0; l < p.teacher.cols; l += depth) {
      stage(block, s.teacher, p.teacher, i, height, l);
      stage(block, s.student, p.student, p.batch.column_offset(b) + j, width, l);
      block.sync();
      int const past = int(least<index_t>(depth, p.teacher.cols - l));
      int at = 0;
      for (; at + 4 <= past; at += 4) add<4>(block, s, at, sum);
      for (; at < past; ++at) add<1>(block, s, at, sum);
      block.sync();  // before the next slice is written
    }
    for (int r = 0; r < rows_each; ++r)
      for (int c = 0; c < columns_each; ++c) {
        int const row = block.warp() * rows_each + r, column = block.lane() + 32 * c;
        if (row < height && column < width) p.cost(i + row, j + column) = sum[r][c];
      }
  }

 private:
  MLOT_HOST_DEVICE index_t tiles_across() const { return blocks_for(p.batch.longest_row, columns); }
  /// Columns l .. of the `count` rows from `first` on.
  template <class Block, int Rows, int Stride>
  MLOT_DEVICE void stage(Block& block, T (&to)[Rows][Stride],
                         matrix_view<Table const, memory> const& from, index_t first, index_t count,
                         index_t l) const {
    for (int n = block.thread(); n < Rows * depth; n += threads) {
      int const row = n / depth, at = n % depth;
      to[row][at] =
          row < count && l + at < from.cols ? load_as<T>(from(first + row, l + at)) : T(0);
    }
  }
  /// Columns at .. at + Columns - 1 of the slice.
  template <int Columns, class Block>
  MLOT_DEVICE void add(Block& block, shared const& s, int at,
                       T (&sum)[rows_each][columns_each]) const {
    T student[columns_each][Columns];
    for (int c = 0; c < columns_each; ++c)
      for (int n = 0; n < Columns; ++n) student[c][n] = s.student[block.lane() + 32 * c][at + n];
    for (int r = 0; r < rows_each; ++r)
      for (int n = 0; n < Columns; ++n) {
        T const teacher = s.teacher[block.warp() * rows_each + r][at + n];
        for (int c = 0; c < columns_each; ++c) sum[r][c] += p.ground.value(teacher, student[c][n]);
      }
  }
};

/// What a teacher token adds to a gradient: upstream slope(teacher, student).
template <class Ground, class T>
MLOT_DEVICE T add_slope_to(T sum, Ground const& ground, T upstream, T teacher, T student) {
  return sum + upstream * ground.slope(teacher, student);
}
template <class T>
MLOT_DEVICE T add_slope_to(T sum, absolute_difference const&, T upstream, T teacher, T student) {
  if (student > teacher) sum += upstream;
  if (student < teacher) sum -= upstream;
  return sum;
}

/// One block some student tokens of one problem, and some of their columns: all of them in each
/// lane's registers while the problem's rows go by, a few at a time through each warp's part of
/// shared memory. Warps add up rows of their own, then warp after warp.
template <grid Device, class T, class Ground, class Table>
struct pairwise_cost_gradient_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = least(Device::tuning.row_threads, 256), warps = threads / 32;
  static constexpr int tokens =
      64 / int(sizeof(T));  ///< of the student: 64 bytes of a row upstream
  static constexpr int columns_each = 2, columns = 32 * columns_each, depth = 16;
  struct shared {
    alignas(16) T upstream[warps][depth][tokens];
    T sum[tokens][columns];
  };
  pairwise_cost_gradient<T, memory, Ground, Table> p;

  index_t blocks() const {
    return segment_tiles<memory>{p.of.batch.column_offset, tokens}.count(p.of.batch.columns) *
           tiles_across();
  }
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    auto const& batch = p.of.batch;
    auto const [b, j, count] =
        segment_tiles<memory>{batch.column_offset, tokens}(block.index() / tiles_across());
    index_t const l = block.index() % tiles_across() * columns;
    if (count <= 0) return;
    T student[tokens][columns_each], sum[tokens][columns_each] = {};
    for (int n = 0; n < tokens; ++n)
      for (int c = 0; c < columns_each; ++c)
        student[n][c] = n < count ? entry(p.of.student, j + n, l + block.lane() + 32 * c) : T(0);
    index_t const past = batch.row_offset(b + 1), column = j - batch.column_offset(b);
    for (index_t i = batch.row_offset(b) + block.warp() * depth; i < past; i += warps * depth) {
      int const rows = int(least<index_t>(depth, past - i));
      auto& upstream = s.upstream[block.warp()];
      for (int n = block.lane(); n < depth * tokens; n += 32) {
        int const r = n / tokens, at = n % tokens;
        upstream[r][at] = r < rows && at < count ? p.upstream(i + r, column + at) : T(0);
      }
      block.sync_warp();
      for (int r = 0; r < rows; ++r) {
        T teacher[columns_each];
        for (int c = 0; c < columns_each; ++c)
          teacher[c] = entry(p.of.teacher, i + r, l + block.lane() + 32 * c);
        for (int n = 0; n < tokens; ++n)
          for (int c = 0; c < columns_each; ++c)
            sum[n][c] =
                add_slope_to(sum[n][c], p.of.ground, upstream[r][n], teacher[c], student[n][c]);
      }
      block.sync_warp();  // before the next rows are written
    }
    for (int w = 0; w < warps; ++w) {
      if (block.warp() == w)
        for (int n = 0; n < tokens; ++n)
          for (int c = 0; c < columns_each; ++c) {
            T& all = s.sum[n][block.lane() + 32 * c];
            all = w == 0 ? sum[n][c] : all + sum[n][c];
          }
      block.sync();
    }
    for (int n = block.thread(); n < tokens * columns; n += threads)
      if (n / columns < count && l + n % columns < p.of.student.cols)
        p.student_gradient(j + n / columns, l + n % columns) =
            p.weight(b) * s.sum[n / columns][n % columns];
  }

 private:
  MLOT_HOST_DEVICE index_t tiles_across() const { return blocks_for(p.of.student.cols, columns); }
  MLOT_DEVICE T entry(matrix_view<Table const, memory> const& table, index_t i, index_t l) const {
    return l < table.cols ? load_as<T>(table(i, l)) : T(0);
  }
};

template <grid Device, real T, class Ground, storage Table>
status run(Device device, pairwise_cost<T, typename Device::memory, Ground, Table> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  pairwise_cost_kernel<Device, T, Ground, Table> const kernel{p};
  launch(kernel.blocks(), kernel);
  return launch.answer();
}

template <grid Device, real T, class Ground, storage Table>
status run(Device device,
           pairwise_cost_gradient<T, typename Device::memory, Ground, Table> const& p,
           workspace<typename Device::memory>) {
  launches<Device> launch(device);
  pairwise_cost_gradient_kernel<Device, T, Ground, Table> const kernel{p};
  launch(kernel.blocks(), kernel);
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
