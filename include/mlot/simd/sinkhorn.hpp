#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/packed_sinkhorn.hpp"
#include "mlot/simd/sinkhorn_domains.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::any_problem;
using scalar::any_sinkhorn;
using scalar::choose_domain;
using scalar::iterate;
using scalar::larger;
using scalar::largest_magnitude;
using scalar::with_cost;
using scalar::write_report;

/// The largest magnitude of the costs in block k: largest_magnitude.
template <class Batch>
[[gnu::noinline]] typename Batch::value_type largest_in_lanes(cost_source<Batch> const& source,
                                                              index_t k) {
  using T = typename Batch::value_type;
  Batch largest(T(0));
  auto usable = largest > Batch(-infinity<T>);
  for (index_t i = source.blocks.begin(k); i < source.blocks.end(k); ++i) {
    auto const costs = source.rows(k, i);
    for_lanes<Batch>(source.problem.columns, [&](index_t j, auto which) {
      Batch const c = costs.cost(i, j, which);
      usable = usable & (c > Batch(-infinity<T>));
      largest = (xsimd::max)(largest, Batch(xsimd::abs(c)));
    });
  }
  return xsimd::all(usable) ? lane_max(largest) : std::numeric_limits<T>::quiet_NaN();
}

/// Scratch of the iterations: of every block, v^0, the order of the problems, and what the columns
/// and rows of a problem are judged by.
template <class T>
struct iteration_scratch {
  block_scratch<T> blocks;
  absorption_scratch<T> centre;
  vector_view<T, host_memory> initial, row_sum, column_sum;
  vector_view<index_t, host_memory> order;
  [[gnu::noinline]] iteration_scratch(problem_batch<host_memory> const& batch,
                                      arena<host_memory>& space)
      : blocks(batch, space),
        centre(batch, space),
        initial(space.vector<T>(batch.columns)),
        row_sum(space.vector<T>(batch.rows)),
        column_sum(space.vector<T>(batch.columns)),
        order(space.vector<index_t>(batch.problems())) {}
};

/// One problem, with the threads of `blocks`, in the numbers of its domain.
template <class Batch>
class problem_iterations {
 public:
  using T = typename Batch::value_type;
  problem_iterations(cost_source<Batch> const& source, iteration_scratch<T> const& all)
      : source_(source),
        initial_(&all.initial(problem_.column_first)),
        row_sum_(&all.row_sum(problem_.row_first)),
        column_sum_(&all.column_sum(problem_.column_first)),
        domain_{source, problem_.p.batch.of(problem_.p.plan, problem_.b), all.centre} {}

  /// The iterations, the plan and what is asked for about it.
  [[gnu::noinline]] void run() {
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
    blocks_.for_mine(r + 1, [&](index_t k) { write_plan(r, k, sums); });
    if (sums)
      blocks_.for_my_columns([&](index_t j, auto which, Batch const& sum) {
        store_lanes(column_sum_ + j, sum, which);
      });
    double const distance = blocks_.all_totals([](double sum, double part) { return sum + part; });
    if (blocks_.threads.rank != 0) return;
    problem_.p.distance(problem_.b) = T(distance);
    problem_.finish(r, converged);
    if (sums)
      write_report(
          problem_, [&](index_t i) { return row_sum_[i]; },
          [&](index_t j) { return column_sum_[j]; });
  }

 private:
  [[gnu::noinline, gnu::flatten]] void iterate(index_t r) {
    T const* const before = r > 1 ? &problem_.v(r - 1, 0) : initial_;
    domain_.begin(r);
    blocks_.for_mine(r, [&](index_t k) { domain_.sweep_block(r, k, before); });
    blocks_.for_my_columns([&](index_t j, auto which, Batch const& sum) {
      Batch const old = load_lanes<Batch>(before + j, which);
      if (problem_.p.tolerance > T(0)) {
        Batch const is = domain_.received(j, which, old, sum);
        Batch const should = column_marginal<Batch>(problem_, j, which);
        store_lanes(column_sum_ + j, Batch(xsimd::abs(Batch(is - should))), which);
      }
      store_lanes(&problem_.v(r, j), domain_.column_scaling(r, j, which, old, sum), which);
    });
  }
  /// Every thread adds all columns, in the same order: all come to the same decision.
  T columns_error() const {
    Batch sum(T(0));
    for_few_lanes<Batch>(problem_.columns, [&](index_t j, auto which) {
      sum += load_lanes<Batch>(column_sum_ + j, which);
    });
    return lane_sum(sum);
  }
  /// The plan's rows of block k after r iterations, the distance of the block and, where wanted,
  /// the sums of rows and columns.
  [[gnu::noinline]] void write_plan(index_t r, index_t k, bool sums) const {
    T const* const v = &problem_.v(r, 0);
    auto const plan = domain_.plan;
    blocks_.total(k) = 0;
    if (sums) std::fill_n(blocks_.sums(k), problem_.columns, T(0));
    for (index_t i = blocks_.begin(k); i < blocks_.end(k); ++i) {
      auto const costs = source_.rows(k, i);
      T* const masses = plan.data != nullptr ? &plan(i, 0) : blocks_.row(k);
      domain_.write_masses(costs, i, problem_.u(r, i), v, masses);
      Batch moved(T(0));
      for_lanes<Batch>(problem_.columns, [&](index_t j, auto which) {
        Batch const mass = load_lanes<Batch>(masses + j, which);
        moved += where_mass(mass, product(mass, costs.cost(i, j, which)));
      });
      blocks_.total(k) += double(lane_sum(moved));
      if (sums) row_sum_[i] = add_masses(k, masses);
    }
  }
  [[gnu::noinline]] T add_masses(index_t k, T const* masses) const {
    Batch row(T(0));
    T* const out = blocks_.sums(k);
    for_few_lanes<Batch>(problem_.columns, [&](index_t j, auto which) {
      Batch const mass = load_lanes<Batch>(masses + j, which);
      row += mass;
      store_lanes(out + j, Batch(load_lanes<Batch>(out + j, which) + mass), which);
    });
    return lane_sum(row);
  }

  cost_source<Batch> const& source_;
  any_problem<T> const& problem_ = source_.problem;
  row_blocks<Batch> const& blocks_ = source_.blocks;
  T *initial_, *row_sum_, *column_sum_;
  domain_iterations<Batch> domain_;
};

/// Scratch of a whole call.
template <class T, class Cost>
struct sinkhorn_scratch {
  packed_sinkhorn<T, Cost> packed;
  packed_matrix<T> plan;
  iteration_scratch<T> iterations;
  cost_scratch<T, Cost> costs;
  [[gnu::noinline]] sinkhorn_scratch(sinkhorn<T, host_memory, Cost> const& p,
                                     arena<host_memory>& space)
      : packed(p, space),
        plan(p.plan, space),
        iterations(p.batch, space),
        costs(p.cost, p.batch, iterations.blocks.sums.rows, space) {
    packed.of.plan = plan.view();
  }
};

template <class Arch, has_lanes T, class Cost>
std::size_t scratch_size(device<Arch>, sinkhorn<T, host_memory, Cost> const& p) {
  arena<host_memory> space;
  sinkhorn_scratch<T, Cost>(p, space);
  return space.bytes();
}

/// A problem without rows or columns: nothing has a scaling, and every column lacks its mass.
template <class T>
[[gnu::cold, gnu::noinline]] void solve_empty(any_problem<T> const& problem) {
  T const nothing = problem.logarithmic ? -infinity<T> : T(0), mass = problem.column_mass();
  bool const converged = problem.p.tolerance > T(0) && mass <= problem.p.tolerance * mass;
  index_t const done = converged ? 1 : problem.p.iterations;
  for (index_t r = 1; r <= done; ++r) {
    for (index_t i = 0; i < problem.rows; ++i) problem.u(r, i) = nothing;
    for (index_t j = 0; j < problem.columns; ++j) problem.v(r, j) = nothing;
  }
  problem.finish(done, converged);
  auto const no_mass = [](index_t) { return T(0); };
  write_report(problem, no_mass, no_mass);
  problem.p.distance(problem.b) = T(0);
}

/// One problem, by one thread of a team; answers whether its data are allowed.
template <class Batch, class T>
[[gnu::noinline]] bool solve_problem(any_sinkhorn<T> const& p, index_t b, team const& threads,
                                     iteration_scratch<T> const& all,
                                     matrix_view<T, host_memory> cost_rows) {
  row_blocks<Batch> const blocks(p.batch, b, all.blocks, threads);
  any_problem<T> problem{p, b, false};
  cost_source<Batch> const given{problem, blocks, cost_rows};
  blocks.for_mine(0,
                  [&](index_t k) { blocks.total(k) = double(largest_in_lanes<Batch>(given, k)); });
  T const largest = T(blocks.all_totals(larger<double>));
  if (!choose_domain(problem, largest).ok()) return false;  // all threads agree
  if (blocks.rows == 0 || blocks.columns == 0) {
    if (threads.rank == 0) solve_empty(problem);
    return true;
  }
  cost_source<Batch> const source{problem, blocks, cost_rows};  // with its epsilon
  problem_iterations<Batch>(source, all).run();
  return true;
}
template <class Batch, class T>
[[gnu::noinline]] status solve_problems(any_sinkhorn<T> const& p, iteration_scratch<T> const& all,
                                        matrix_view<T, host_memory> cost_rows) {
  index_t const problems = p.batch.problems();
  index_t faulty = problems;  // the first problem whose data are not allowed
  for_problems(p.batch, all.order, 2 * p.iterations, [&](index_t b, team const& threads) {
    if (solve_problem<Batch, T>(p, b, threads, all, cost_rows)) return;
#ifdef _OPENMP
#  pragma omp critical(mlot_sinkhorn)
#endif
    faulty = (std::min)(faulty, b);
  });
  if (faulty == problems) return {};
  any_problem<T> problem{p, faulty, false};
  return choose_domain(problem, largest_magnitude<T>(problem.cost));
}

template <class Arch, has_lanes T, class Cost>
status run(device<Arch>, sinkhorn<T, host_memory, Cost> const& p, workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  arena<host_memory> space(scratch);
  sinkhorn_scratch<T, Cost> const all(p, space);
  auto const& of = all.packed.of;
  all.packed.cost.load(), all.plan.load();
  all.costs.prepare(of.cost);
  status const s = solve_problems<batch, T>(with_cost(of, all.costs.template any<batch>(of.cost)),
                                            all.iterations, all.costs.rows);
  if (!s.ok()) return s;
  all.packed.row_scaling.store(), all.packed.column_scaling.store(), all.plan.store();
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
