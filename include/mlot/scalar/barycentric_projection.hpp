#pragma once
#include "mlot/primitive/barycentric_projection.hpp"
#include "mlot/scalar/plan_rows.hpp"
namespace mlot::MLOT_SET::scalar {
/// A fault names the first point that is not finite.
template <real T>
status check_points(matrix_view<T const, host_memory> points) {
  for (index_t j = 0; j < points.rows; ++j)
    for (index_t l = 0; l < points.cols; ++l)
      if (T const x = points(j, l); !(x > -infinity<T> && x < infinity<T>))
        return {fault::data, "barycentric_projection.points", "finite", as_double(x), j, l};
  return {};
}

template <real T, class Cost>
std::size_t scratch_size(device, barycentric_projection<T, host_memory, Cost> const& p) {
  arena<host_memory> space;
  space.vector<T>(p.of.batch.longest_row);
  return space.bytes();
}

template <real T, class Cost>
status run(device, barycentric_projection<T, host_memory, Cost> const& p,
           workspace<host_memory> scratch) {
  if (status const s = check_points<T>(p.points); !s.ok()) return s;
  arena<host_memory> space(scratch);
  for_plan_rows(p.of, space.vector<T>(p.of.batch.longest_row), [&](index_t b, index_t i, auto row) {
    wide_t<T> mass(0);
    for (index_t j = 0; j < row.size; ++j) mass += row(j);
    for (index_t l = 0; l < p.points.cols; ++l) {
      wide_t<T> sum(0);
      for (index_t j = 0; j < row.size; ++j)
        sum += wide_t<T>(row(j)) * p.points(p.of.batch.column_offset(b) + j, l);
      p.out(i, l) = mass > wide_t<T>(0) ? T(sum / mass) : T(0);
    }
  });
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
