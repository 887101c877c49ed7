#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
/// Scaling domain only: a problem in the log domain runs the scalar device's loops. One sweep over
/// the kernel does a whole iteration: a row's new scaling weighs that row into the column sums
/// while it is in cache.
namespace mlot::on {
inline constexpr index_t sweep_rows = 4;

/// Largest |C|; +inf where an entry is NaN or infinite.
template <class Batch, class T>
T largest_in_lanes(matrix_view<T const, host_memory> cost) {
  Batch largest(T(0));
  auto usable = largest < Batch(infinity<T>);
  for (index_t i = 0; i < cost.rows; ++i)
    for_lanes<Batch>(cost.cols, [&](index_t j, auto which) {
      Batch const c = xsimd::abs(load_lanes<Batch>(&cost(i, j), which));
      usable = usable & (c < Batch(infinity<T>));
      largest = xsimd::max(largest, c);
    });
  return xsimd::all(usable) ? lane_max(largest) : infinity<T>;
}

/// One sweep over a kernel K (rows, columns), `sweep_rows` rows at a time:
///   dot(i) = sum_j K(i, j) in(j),   weight(i) = weigh(i, dot(i)),   out(j) = sum_i weight(i) K(i,
///   j)
/// Rows are added in order, so the sums do not depend on how rows are blocked.
template <class Batch, class T, class Weigh>
void sweep(matrix_view<T const, host_memory> kernel, T const* in, T* out, Weigh weigh) {
  std::fill_n(out, kernel.cols, T(0));
  auto const rows = [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
    Batch dot[Rows], weight[Rows];
    for (auto& d : dot) d = Batch(T(0));
    for_lanes<Batch>(kernel.cols, [&](index_t j, auto which) {
      Batch const x = load_lanes<Batch>(in + j, which);
      for (index_t r = 0; r < Rows; ++r) dot[r] += load_lanes<Batch>(&kernel(i + r, j), which) * x;
    });
    for (index_t r = 0; r < Rows; ++r) weight[r] = Batch(T(weigh(i + r, lane_sum(dot[r]))));
    for_lanes<Batch>(kernel.cols, [&](index_t j, auto which) {
      Batch sum = load_lanes<Batch>(out + j, which);
      for (index_t r = 0; r < Rows; ++r)
        sum += weight[r] * load_lanes<Batch>(&kernel(i + r, j), which);
      store_lanes(out + j, sum, which);
    });
  };
  index_t i = 0;
  for (; i + sweep_rows <= kernel.rows; i += sweep_rows)
    rows(i, std::integral_constant<index_t, sweep_rows>{});
  for (; i < kernel.rows; ++i) rows(i, std::integral_constant<index_t, 1>{});
}

/// Calls body(i, j, which) for every batch of entries of a matrix.
template <class Batch, class Body>
void for_entries(index_t rows, index_t columns, Body body) {
  for (index_t i = 0; i < rows; ++i)
    for_lanes<Batch>(columns, [&](index_t j, auto which) { body(i, j, which); });
}

template <class Batch, class T>
void fill_kernel(sinkhorn_problem<T> const& problem, matrix_view<T, host_memory> kernel) {
  Batch const rate(T(-1) / problem.p.epsilon);
  for_entries<Batch>(problem.rows, problem.columns, [&](index_t i, index_t j, auto which) {
    store_lanes(&kernel(i, j),
                Batch(xsimd::exp(load_lanes<Batch>(&problem.cost(i, j), which) * rate)), which);
  });
}

template <class T>
T share_of(T marginal, T sum) {
  return sum > T(0) ? T(marginal / sum) : T(0);
}

/// One problem in the scaling domain; `plan` holds the kernel until the end, `sums` has room for a
/// value a column. Answers <P, C>.
template <class Batch, class T>
T iterate(sinkhorn_problem<T> const& problem, matrix_view<T, host_memory> plan, T* sums) {
  fill_kernel<Batch>(problem, plan);
  T* v = &problem.v(1, 0);
  for (index_t j = 0; j < problem.columns; ++j) v[j] = problem.v_before(1, j);
  for (index_t r = 1; r <= problem.p.iterations; ++r) {
    sweep<Batch, T>(plan, v, sums, [&](index_t i, T dot) {
      return problem.u(r, i) = share_of(problem.a(i), dot);
    });
    v = &problem.v(r, 0);
    for (index_t j = 0; j < problem.columns; ++j) v[j] = share_of(problem.b_of(j), sums[j]);
  }
  double distance = 0;
  for (index_t i = 0; i < problem.rows; ++i) {
    Batch const u(problem.u(problem.p.iterations, i));
    Batch moved(T(0));
    for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
      Batch const mass =
          u * load_lanes<Batch>(&plan(i, j), which) * load_lanes<Batch>(v + j, which);
      store_lanes(&plan(i, j), mass, which);
      moved += mass * load_lanes<Batch>(&problem.cost(i, j), which);
    });
    distance += double(lane_sum(moved));
  }
  return T(distance);
}

template <class Arch, has_lanes T>
std::size_t scratch_size(simd<Arch>, sinkhorn<T, host_memory> const& p) {
  arena<host_memory> space;
  space.vector<T>(p.batch.columns);
  return space.bytes();
}

template <has_lanes T>
bool contiguous(sinkhorn<T, host_memory> const& p) {
  return p.cost.col_stride == 1 && p.history.row_scaling.col_stride == 1 &&
         p.history.column_scaling.col_stride == 1;
}

template <class Arch, has_lanes T>
status run(simd<Arch>, sinkhorn<T, host_memory> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous(p) || p.plan.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  auto const sums = space.vector<T>(p.batch.columns);
  index_t const problems = p.batch.problems();
  index_t faulty = problems;  // the first problem whose data are not allowed
  parallel_for(problems, 1, [&](index_t b) {
    bool logarithmic = false;
    if (!choose_domain(p, b, largest_in_lanes<batch, T>(p.batch.of(p.cost, b)), logarithmic).ok()) {
#ifdef _OPENMP
#  pragma omp critical(mlot_sinkhorn)
#endif
      faulty = std::min(faulty, b);
      return;
    }
    p.history.logarithmic(b) = logarithmic;
    sinkhorn_problem<T> const problem{p, b};
    auto const plan = p.batch.of(p.plan, b);
    p.distance(b) = logarithmic || problem.columns == 0
                        ? iterate(problem, plan)
                        : iterate<batch, T>(problem, plan, &sums(problem.column_first));
  });
  if (faulty == problems) return {};
  bool unused = false;
  return choose_domain(p, faulty, largest_magnitude<T>(p.batch.of(p.cost, faulty)), unused);
}

template <class Arch, has_lanes T>
std::size_t scratch_size(simd<Arch>, sinkhorn_gradient<T, host_memory> const& p) {
  arena<host_memory> space;
  sinkhorn_adjoints<T>(p.of, space);
  space.vector<T>(p.of.batch.columns);
  space.vector<T>(p.of.batch.columns);
  return space.bytes();
}

/// The unrolled gradient of one problem in the scaling domain. Stored are X^r = v^r o x^r and
/// Y^r = u^r o y^r, with which K alone is needed; `gradient` holds K until the last pass.
template <class Batch, class T>
void differentiate(sinkhorn_problem<T> const& problem, sinkhorn_adjoints<T> const& all,
                   matrix_view<T, host_memory> gradient, T* sums, T* initial) {
  index_t const rows = problem.rows, columns = problem.columns, iterations = problem.p.iterations;
  T* const alpha = &all.alpha(problem.row_first);
  T* const beta = &all.beta(problem.column_first);
  auto const x = [&](index_t r) { return &all.x(r - 1, problem.column_first); };
  auto const y = [&](index_t r) { return &all.y(r - 1, problem.row_first); };
  T const* const last = &problem.v(iterations, 0);
  fill_kernel<Batch>(problem, gradient);
  for (index_t j = 0; j < columns; ++j) initial[j] = problem.v_before(1, j);

  // alpha = (P o C) 1, beta = (P o C)^T 1
  std::fill_n(beta, columns, T(0));
  for (index_t i = 0; i < rows; ++i) {
    Batch const u(problem.u(iterations, i));
    Batch moved(T(0));
    for_lanes<Batch>(columns, [&](index_t j, auto which) {
      Batch const p = u * load_lanes<Batch>(&gradient(i, j), which) *
                      load_lanes<Batch>(last + j, which) *
                      load_lanes<Batch>(&problem.cost(i, j), which);
      moved += p;
      store_lanes(beta + j, Batch(load_lanes<Batch>(beta + j, which) + p), which);
    });
    alpha[i] = lane_sum(moved);
  }
  for (index_t r = iterations; r >= 1; --r) {
    for (index_t j = 0; j < columns; ++j)
      x(r)[j] = problem.b_of(j) > T(0) ? problem.v(r, j) * (beta[j] / problem.b_of(j)) : T(0);
    sweep<Batch, T>(gradient, x(r), sums, [&](index_t i, T dot) {
      T const u = problem.u(r, i), adjoint = alpha[i] - u * dot;
      alpha[i] = T(0);
      return y(r)[i] = problem.a(i) > T(0) ? u * (adjoint / problem.a(i)) : T(0);
    });
    for (index_t j = 0; j < columns; ++j) beta[j] = -problem.v_before(r, j) * sums[j];
  }
  // dSD/dC = K o { u^N (v^N)^T o (1 - C / epsilon) + (1 / epsilon) sum_r [ u^r (X^r)^T + Y^r
  // (v^(r-1))^T ] }
  T const rate = T(1) / problem.p.epsilon;
  auto const pass = [&]<index_t Rows>(index_t i, std::integral_constant<index_t, Rows>) {
    for_lanes<Batch>(columns, [&](index_t j, auto which) {
      Batch sum[Rows];
      for (auto& s : sum) s = Batch(T(0));
      for (index_t r = 1; r <= iterations; ++r) {
        Batch const xr = load_lanes<Batch>(x(r) + j, which);
        Batch const vr = load_lanes<Batch>((r > 1 ? &problem.v(r - 1, 0) : initial) + j, which);
        for (index_t n = 0; n < Rows; ++n)
          sum[n] += Batch(problem.u(r, i + n)) * xr + Batch(y(r)[i + n]) * vr;
      }
      Batch const v = load_lanes<Batch>(last + j, which);
      for (index_t n = 0; n < Rows; ++n) {
        Batch const kernel = load_lanes<Batch>(&gradient(i + n, j), which);
        Batch const c = load_lanes<Batch>(&problem.cost(i + n, j), which);
        Batch const u(problem.u(iterations, i + n));
        store_lanes(&gradient(i + n, j),
                    Batch(kernel * (u * v * (Batch(T(1)) - c * rate) + sum[n] * rate)), which);
      }
    });
  };
  index_t i = 0;
  for (; i + sweep_rows <= rows; i += sweep_rows)
    pass(i, std::integral_constant<index_t, sweep_rows>{});
  for (; i < rows; ++i) pass(i, std::integral_constant<index_t, 1>{});
}

template <class Arch, has_lanes T>
status run(simd<Arch>, sinkhorn_gradient<T, host_memory> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous(p.of) || p.cost_gradient.col_stride != 1) return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  sinkhorn_adjoints<T> const all(p.of, space);
  auto const sums = space.vector<T>(p.of.batch.columns);
  auto const initial = space.vector<T>(p.of.batch.columns);  // v^0
  parallel_for(p.of.batch.problems(), 1, [&](index_t b) {
    sinkhorn_problem<T> const problem{p.of, b};
    if (problem.rows == 0 || problem.columns == 0) return;
    auto const gradient = p.of.batch.of(p.cost_gradient, b);
    if (problem.logarithmic)
      differentiate(problem, all, gradient);
    else
      differentiate<batch, T>(problem, all, gradient, &sums(problem.column_first),
                              &initial(problem.column_first));
  });
  return {};
}
}  // namespace mlot::on
