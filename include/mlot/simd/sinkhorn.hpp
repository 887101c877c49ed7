#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/simd/device.hpp"
#include "mlot/simd/sinkhorn_lanes.hpp"
/// One sweep over the matrix does a whole iteration, in either domain: a row's new scaling weighs
/// that row into the column sums while it is in cache. In the log domain the exponentials that
/// normalise a row, weighed by its new scaling, are what its columns have to sum: one exponential
/// an entry, not two.
namespace mlot::on {
/// Largest |C| of some rows of block k; +inf where an entry is NaN or infinite.
template <class Batch, class Source>
typename Batch::value_type largest_in_lanes(Source const& source, index_t k, index_t begin,
                                            index_t end) {
  using T = typename Batch::value_type;
  Batch largest(T(0));
  auto usable = largest < Batch(infinity<T>);
  for (index_t i = begin; i < end; ++i) {
    auto const costs = source.rows(k, i);
    for_lanes<Batch>(source.problem.columns, [&](index_t j, auto which) {
      Batch const c = xsimd::abs(costs.cost(i, j, which));
      usable = usable & (c < Batch(infinity<T>));
      largest = xsimd::max(largest, c);
    });
  }
  return xsimd::all(usable) ? lane_max(largest) : infinity<T>;
}

/// The iterations of one problem in the scaling domain. `plan` holds the kernel until the end,
/// unless rows of C, and so of the kernel, are computed anew.
template <class Batch, class Cost>
struct scaling_iterations {
  using T = typename Batch::value_type;
  static constexpr T no_mass = 0;  ///< as u or v
  static constexpr bool computed = cost_source<Batch, Cost>::computed;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> plan;
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;

  void sweep_block(index_t r, index_t k, T const* v) const {
    std::fill_n(blocks.sums(k), problem.columns, T(0));
    sweep<Batch, T>(
        problem.columns, blocks.begin(k), blocks.end(k), v, blocks.sums(k),
        [&](index_t i, index_t count) -> strided_rows<T> {
          if constexpr (computed) {
            return source.kernel_rows(k, i).from(i);
          } else {
            for (index_t n = i; n < i + count && r == 1; ++n)
              write_kernel_row(source, k, n, &plan(n, 0));
            return {&plan(i, 0), plan.row_stride};
          }
        },
        [&](index_t i, T dot) { return problem.u(r, i) = share_of(problem.a(i), dot); });
  }
  Batch column_scaling(index_t, index_t j, auto which, Batch const&, Batch const& sum) const {
    return share_in_lanes(column_marginal<Batch>(problem, j, which), sum);
  }
  /// v before its half step over v after it.
  static Batch change(Batch const& before, Batch const& after) {
    return share_in_lanes(before, after);
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    Batch kernel;
    if constexpr (computed)
      kernel = costs.kernel(i, j, which);
    else
      kernel = load_lanes<Batch>(&plan(i, j), which);
    return Batch(u) * kernel * v;
  }
};

/// The same in the log domain: u and v are logarithms, `plan` is written at the end.
template <class Batch, class Cost>
struct logarithmic_iterations {
  using T = typename Batch::value_type;
  static constexpr T no_mass = -infinity<T>;
  cost_source<Batch, Cost> const& source;
  matrix_view<T, host_memory> plan;
  row_blocks<Batch> const& blocks = source.blocks;
  sinkhorn_problem<T, Cost> const& problem = source.problem;
  /// What underflows adds less than this to a column, in units of its last place: a column that
  /// receives no more than this is summed again, relative to its own largest term.
  T least_sum = T(16) * T(double(problem.rows)) * (T(1) + largest_row_marginal()) *
                std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

  T largest_row_marginal() const {
    T most(0);
    for (index_t i = 0; i < problem.rows; ++i) most = std::max(most, problem.a(i));
    return most;
  }
  void sweep_block(index_t r, index_t k, T const* v) const {
    T *const out = blocks.sums(k), *const row = blocks.row(k);
    std::fill_n(out, problem.columns, T(0));
    for (index_t i = blocks.begin(k); i < blocks.end(k); ++i) {
      auto const costs = source.rows(k, i);
      T const a = problem.a(i);
      Batch most(-infinity<T>);
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = costs.exponent(i, j, which, load_lanes<Batch>(v + j, which, -infinity<T>));
        store_lanes(row + j, x, which);
        most = xsimd::max(most, x);
      });
      T const top = lane_max(most);
      problem.u(r, i) = -infinity<T>;
      if (top == -infinity<T> || a == T(0)) continue;
      Batch const tops(top);
      Batch sums(T(0));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const x = load_lanes<Batch>(row + j, which, -infinity<T>);
        Batch const e = exponential(Batch(x - tops));
        store_lanes(row + j, e, which);
        sums += e;
      });
      T const sum = lane_sum(sums);
      problem.u(r, i) = T(std::log(a) - top - std::log(sum));
      Batch const weight(T(a / sum));
      for_lanes<Batch>(problem.columns, [&](index_t j, auto which) {
        Batch const e = load_lanes<Batch>(row + j, which);
        store_lanes(out + j, Batch(multiply_add(weight, e, load_lanes<Batch>(out + j, which))),
                    which);
      });
    }
  }
  /// Log-sum-exp over the rows, from each column's own largest term.
  Batch column_log_sum(index_t r, index_t j, auto which) const {
    auto const exponent = [&](index_t i) {
      return multiply_add(source.cost(i, j, which), source.rate, Batch(problem.u(r, i)));
    };
    Batch top(-infinity<T>), sum(T(0));
    for (index_t i = 0; i < problem.rows; ++i) top = xsimd::max(top, exponent(i));
    Batch const origin = xsimd::select(top > Batch(-infinity<T>), top, Batch(T(0)));
    for (index_t i = 0; i < problem.rows; ++i) sum += exponential(Batch(exponent(i) - origin));
    return origin + xsimd::log(sum);
  }
  Batch column_scaling(index_t r, index_t j, auto which, Batch const& before,
                       Batch const& sum) const {
    Batch const marginal = column_marginal<Batch>(problem, j, which), nothing(-infinity<T>);
    auto const has_mass = marginal > Batch(T(0));
    Batch log_sum = xsimd::log(sum) - before;
    auto const small = (sum < Batch(least_sum)) & has_mass;
    if (xsimd::any(small)) log_sum = xsimd::select(small, column_log_sum(r, j, which), log_sum);
    Batch const scaling = xsimd::log(marginal) - log_sum;
    return xsimd::select(has_mass & (log_sum > nothing), scaling, nothing);
  }
  static Batch change(Batch const& before, Batch const& after) {
    auto const has_mass = after > Batch(-infinity<T>);
    Batch const exponent = xsimd::min(Batch(before - after), Batch(T(80)));
    return xsimd::select(has_mass, exponential(exponent), Batch(T(0)));
  }
  Batch mass(cost_rows<Batch> const& costs, index_t i, index_t j, auto which, T u,
             Batch const& v) const {
    return exponential(Batch(costs.exponent(i, j, which, Batch(u)) + v));
  }
};

/// Scratch of the iterations: of every block, v^0, the order of the problems, and what the columns
/// and rows of a problem are judged by, and rows of C that are computed.
template <class T, class Cost>
struct iteration_scratch {
  block_scratch<T> blocks;
  cost_scratch<T, Cost> costs;
  vector_view<T, host_memory> initial, row_sum, column_sum;
  vector_view<index_t, host_memory> order;
  iteration_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : iteration_scratch(p, p.batch, space) {}

 private:
  iteration_scratch(sinkhorn<T, host_memory, Cost> const& p,
                    problem_batch<host_memory> const& batch, arena<host_memory>& space)
      : blocks(batch, space),
        costs(p.cost, batch, blocks.sums.rows, space),
        initial(space.vector<T>(batch.columns)),
        row_sum(space.vector<T>(batch.rows)),
        column_sum(space.vector<T>(batch.columns)),
        order(space.vector<index_t>(batch.problems())) {}
};

/// One problem, with the threads of `blocks`, in the numbers of its domain.
template <class Batch, class Cost, template <class, class> class Iterations>
class problem_iterations {
 public:
  using T = typename Batch::value_type;
  problem_iterations(cost_source<Batch, Cost> const& source, iteration_scratch<T, Cost> const& all)
      : source_(source),
        initial_(&all.initial(problem_.column_first)),
        row_sum_(&all.row_sum(problem_.row_first)),
        column_sum_(&all.column_sum(problem_.column_first)) {}

  /// The iterations, the plan and what is asked for about it.
  void run() const {
    if (blocks_.threads.rank == 0)
      for (index_t j = 0; j < problem_.columns; ++j) initial_[j] = problem_.v_before(1, j);
    blocks_.threads.wait();
    T const tolerance = problem_.p.tolerance, enough = tolerance * problem_.column_mass();
    index_t r = 0;
    bool converged = false;
    while (r < problem_.p.iterations && !converged) {
      iterate(++r);
      converged = tolerance > T(0) && columns_error() <= enough;
    }
    bool const sums = problem_.p.report.asks_for_sums();
    if (sums) {
      write_plan<true>(r);
      blocks_.for_my_columns([&](index_t j, auto which, Batch const& sum) {
        store_lanes(column_sum_ + j, sum, which);
      });
    } else {
      write_plan<false>(r);
    }
    double const distance = blocks_.all_totals([](double sum, double part) { return sum + part; });
    if (blocks_.threads.rank != 0) return;
    problem_.p.distance(problem_.b) = T(distance);
    problem_.finish(r, converged);
    write_report(
        problem_, [&](index_t i) { return row_sum_[i]; },
        [&](index_t j) { return column_sum_[j]; });
  }

 private:
  void iterate(index_t r) const {
    T const* const before = r > 1 ? &problem_.v(r - 1, 0) : initial_;
    blocks_.for_mine(r, [&](index_t k) { domain_.sweep_block(r, k, before); });
    blocks_.for_my_columns([&](index_t j, auto which, Batch const& sum) {
      Batch const old = load_lanes<Batch>(before + j, which);
      Batch const fresh = domain_.column_scaling(r, j, which, old, sum);
      if (problem_.p.tolerance > T(0)) {  // the column's mass was b before / after
        Batch const change = domain_.change(old, fresh) - Batch(T(1));
        Batch const error = column_marginal<Batch>(problem_, j, which) * xsimd::abs(change);
        store_lanes(column_sum_ + j, error, which);
      }
      store_lanes(&problem_.v(r, j), fresh, which);
    });
  }
  /// Every thread adds all columns, in the same order: all come to the same decision.
  T columns_error() const {
    Batch sum(T(0));
    for_lanes<Batch>(problem_.columns, [&](index_t j, auto which) {
      sum += load_lanes<Batch>(column_sum_ + j, which);
    });
    return lane_sum(sum);
  }
  /// The plan after r iterations, the distance of each block and, where wanted, the sums of rows
  /// and columns.
  template <bool Sums>
  void write_plan(index_t r) const {
    T const* const v = &problem_.v(r, 0);
    blocks_.for_mine(r + 1, [&](index_t k) {
      blocks_.total(k) = 0;
      T* const out = blocks_.sums(k);
      if constexpr (Sums) std::fill_n(out, problem_.columns, T(0));
      for (index_t i = blocks_.begin(k); i < blocks_.end(k); ++i) {
        auto const costs = source_.rows(k, i);
        Batch moved(T(0)), row(T(0));
        T const u = problem_.u(r, i);
        for_lanes<Batch>(problem_.columns, [&](index_t j, auto which) {
          Batch const mass =
              domain_.mass(costs, i, j, which, u, load_lanes<Batch>(v + j, which, domain_.no_mass));
          if (plan_.data != nullptr) store_lanes(&plan_(i, j), mass, which);
          moved += mass * costs.cost(i, j, which);
          if constexpr (Sums) {
            row += mass;
            store_lanes(out + j, Batch(load_lanes<Batch>(out + j, which) + mass), which);
          }
        });
        blocks_.total(k) += double(lane_sum(moved));
        if constexpr (Sums) row_sum_[i] = lane_sum(row);
      }
    });
  }

  cost_source<Batch, Cost> const& source_;
  sinkhorn_problem<T, Cost> const& problem_ = source_.problem;
  row_blocks<Batch> const& blocks_ = source_.blocks;
  T *initial_, *row_sum_, *column_sum_;
  matrix_view<T, host_memory> plan_ = problem_.p.batch.of(problem_.p.plan, problem_.b);
  Iterations<Batch, Cost> domain_{source_, plan_};
};

template <class Arch, has_lanes T, class Cost>
std::size_t scratch_size(simd<Arch>, sinkhorn<T, host_memory, Cost> const& p) {
  arena<host_memory> space;
  iteration_scratch<T, Cost>(p, space);
  return space.bytes();
}

template <has_lanes T>
bool contiguous(matrix_view<T const, host_memory> const& cost) {
  return cost.col_stride == 1;
}
template <has_lanes T, class Ground>
bool contiguous(table_cost<T, host_memory, Ground> const&) {
  return true;
}
template <has_lanes T, class Cost>
bool contiguous(sinkhorn<T, host_memory, Cost> const& p) {
  return contiguous(p.cost) && p.history.row_scaling.col_stride == 1 &&
         p.history.column_scaling.col_stride == 1;
}

template <class Arch, has_lanes T, class Cost>
status run(simd<Arch>, sinkhorn<T, host_memory, Cost> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous(p) || (p.plan.data != nullptr && p.plan.col_stride != 1))
    return run(scalar{}, p, scratch);
  arena<host_memory> space(scratch);
  iteration_scratch<T, Cost> const all(p, space);
  all.costs.prepare(p.cost);
  index_t const problems = p.batch.problems();
  index_t faulty = problems;  // the first problem whose data are not allowed
  for_problems(p.batch, all.order, 2 * p.iterations, [&](index_t b, team const& threads) {
    row_blocks<batch> const blocks(p.batch, b, all.blocks, threads);
    sinkhorn_problem<T, Cost> problem{p, b, false};
    cost_source<batch, Cost> const source{problem, blocks, all.costs};
    blocks.for_mine(0, [&](index_t k) {
      blocks.total(k) = double(largest_in_lanes<batch>(source, k, blocks.begin(k), blocks.end(k)));
    });
    T const largest = T(blocks.all_totals([](double x, double y) { return std::max(x, y); }));
    if (!choose_domain(p, b, largest, problem.logarithmic).ok()) {  // all threads agree
#ifdef _OPENMP
#  pragma omp critical(mlot_sinkhorn)
#endif
      faulty = std::min(faulty, b);
      return;
    }
    if (threads.rank == 0) p.history.logarithmic(b) = problem.logarithmic;
    if (blocks.rows == 0 || blocks.columns == 0) {
      if (threads.rank == 0) p.distance(b) = iterate(problem, p.batch.of(p.plan, b));
    } else if (problem.logarithmic) {
      problem_iterations<batch, Cost, logarithmic_iterations>(source, all).run();
    } else {
      problem_iterations<batch, Cost, scaling_iterations>(source, all).run();
    }
  });
  if (faulty == problems) return {};
  bool unused = false;
  return choose_domain(p, faulty, largest_magnitude<T>(cost_of(p, faulty)), unused);
}
}  // namespace mlot::on
