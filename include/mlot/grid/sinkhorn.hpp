#pragma once
#include "mlot/grid/sinkhorn_problem.hpp"
namespace mlot::MLOT_SET::simt {
/// The largest finite magnitude of row i's costs, whether one is forbidden, and what is wrong.
struct measure_row {
  static constexpr bool decided = false;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    using T = typename Problem::T;
    T largest(0);
    int forbids = 0, allowed = 0, mass = 0;
    for (index_t j = block.lane(); j < own.columns; j += 32) {
      T const c = own.raw_cost(i, j);
      bool const finite = own.is_cost(c) && c < infinity<T>;
      bool const takes_part = own.b_of(j) > T(0);
      if (!own.is_cost(c)) report(block, own.all.findings, finding::cost, own.row_first + i, j);
      if (finite) largest = most(largest, c < T(0) ? -c : c);
      forbids |= !finite;
      allowed |= finite && takes_part;
      mass |= takes_part;
    }
    largest = block.warp_all(largest, maximum());
    forbids = block.warp_all(forbids, maximum());
    allowed = block.warp_all(allowed, maximum());
    mass = block.warp_all(mass, maximum());
    if (block.lane() != 0) return;
    T const given = own.all.p.row_marginal(own.row_first + i);
    if (!own.is_marginal(given))
      report(block, own.all.findings, finding::row_marginal, own.row_first + i);
    if (own.given_a(i) > T(0) && mass && !allowed)
      report(block, own.all.findings, finding::no_pair, own.row_first + i);
    own.all.row_value(own.row_first + i) = largest;
    own.all.row_forbids(own.row_first + i) = forbids;
  }
};

/// What the marginals of one side come to, over a block.
template <class T>
struct marginal_sums {
  T sum, least, most;  ///< of those that are not 0, least and most

  template <class Block, class Marginal>
  MLOT_DEVICE static marginal_sums of(Block& block, index_t size, index_t divisor,
                                      Marginal marginal) {
    marginal_sums own{T(0), infinity<T>, T(0)};
    for (index_t i = block.thread(); i < size; i += Block::threads) {
      T const m = marginal(i);
      own.sum += m / T(divisor);
      if (m > T(0)) own.least = simt::least(own.least, m);
      own.most = simt::most(own.most, m);
    }
    return block.all(own, [](marginal_sums a, marginal_sums b) {
      return marginal_sums{a.sum + b.sum, simt::least(a.least, b.least),
                           simt::most(a.most, b.most)};
    });
  }
  /// ln(largest / smallest).
  MLOT_DEVICE T spread() const {
    using std::log;
    return most > T(0) ? log(most / least) : T(0);
  }
};

/// A variable, since CUDA lets device code call no function of std::numeric_limits.
template <class T>
inline constexpr T rounding = std::numeric_limits<T>::epsilon();

/// Epsilon, the factor of a, where the warm start begins, and the domain of each problem.
struct decide_problem {
  static constexpr bool decided = false;
  sinkhorn_domain domain;  ///< asked for
  double safe_exponent;
  bool chooses;  ///< in a gradient the forward has chosen

  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own) const {
    using T = typename Problem::T;
    using std::log;
    auto const& all = own.all;
    T largest(0);
    int forbids = 0;
    for (index_t i = block.thread(); i < own.rows; i += Block::threads) {
      largest = most(largest, all.row_value(own.row_first + i));
      forbids |= all.row_forbids(own.row_first + i);
    }
    largest = block.all(largest, maximum());
    forbids = block.all(forbids, maximum());
    auto const rows =
        marginal_sums<T>::of(block, own.rows, own.rows, [&](index_t i) { return own.given_a(i); });
    auto const columns =
        marginal_sums<T>::of(block, own.columns, own.rows, [&](index_t j) { return own.b_of(j); });
    T origin = -infinity<T>, deepest = infinity<T>;
    for (index_t j = block.thread(); j < own.columns; j += Block::threads) {
      index_t const at = own.column_first + j;
      if (!own.is_marginal(all.p.column_marginal(at)))
        report(block, all.findings, finding::column_marginal, at);
      if (all.p.warm_start.empty()) continue;
      if (!(all.p.warm_start(at) < infinity<T>))
        report(block, all.findings, finding::warm_start, at);
      T const g = own.warm_start(j);
      if (!(own.b_of(j) > T(0) && g > -infinity<T>)) continue;
      origin = most(origin, g);
      deepest = least(deepest, g);
    }
    origin = block.all(origin, maximum());
    deepest = -block.all(-deepest, maximum());
    if (forbids && chooses) report_columns_without_pair(block, own);
    if (block.thread() != 0) return;

    T const warm_range = origin > -infinity<T> ? origin - deepest : T(0);
    T const range = most(largest, warm_range);
    T const least_epsilon = T(4) * rounding<T> * range;
    bool const raised = chooses ? all.p.epsilon < least_epsilon
                                : all.p.history.logarithmic(own.b) == raised_epsilon;
    T const epsilon = raised ? least_epsilon : all.p.epsilon;
    all.epsilon(own.b) = epsilon;
    all.balance(own.b) =
        (columns.sum > T(0) ? columns.sum : T(1)) / (rows.sum > T(0) ? rows.sum : T(1));
    all.warm_origin(own.b) = origin;
    if (!chooses) {
      all.stopped(own.b) =
          all.p.history.iterations.empty() ? all.p.iterations : all.p.history.iterations(own.b);
      return;
    }
    T const exponent = (largest + warm_range) / epsilon + rows.spread() + columns.spread();
    bool const scales = !forbids && double(exponent) <= safe_exponent;
    if (domain == sinkhorn_domain::scaling && !scales)
      report(block, all.findings, finding::domain, own.b);
    bool const may_scale =
        domain == sinkhorn_domain::automatic || domain == sinkhorn_domain::scaling;
    all.p.history.logarithmic(own.b) =
        raised ? raised_epsilon : index_t(scales && may_scale ? 0 : 1);
    all.stopped(own.b) = 0;
  }
  static constexpr index_t raised_epsilon = 2;

 private:
  template <class Block, class Problem>
  MLOT_DEVICE static void report_columns_without_pair(Block& block, Problem const& own) {
    using T = typename Problem::T;
    for (index_t j = block.thread(); j < own.columns; j += Block::threads) {
      bool mass = false, allowed = false;
      for (index_t i = 0; i < own.rows; ++i) {
        bool const takes_part = own.given_a(i) > T(0);
        mass |= takes_part;
        allowed |= takes_part && own.cost(i, j) < infinity<T>;
      }
      if (own.b_of(j) > T(0) && mass && !allowed)
        report(block, own.all.findings, finding::no_pair, own.row_first, j);
    }
  }
};

struct fill_kernel_row {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    for (index_t j = block.lane(); j < own.columns; j += 32)
      own.kept_kernel(i, j) = own.computed_kernel(i, j);
  }
};

/// u^r = a / (K v^(r-1)).
struct row_step {
  static constexpr bool decided = true;
  index_t r;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    using T = typename Problem::T;
    if (own.stopped > 0) return;
    line_sum<T> const sum =
        sum_row(block, own, merge_lines<T>{own.logarithmic}, [&](line_sum<T>& s, index_t j) {
          s.add(own.logarithmic, own.kernel(i, j), own.v_before(r, j));
        });
    if (block.lane() == 0) own.u(r, i) = sum.scaling(own.logarithmic, own.a(i));
  }
};

/// v^r = b / (K^T u^r), and what the columns missed before.
struct column_step {
  static constexpr bool decided = true;
  index_t r;
  template <class Block, class Shared, class Problem>
  MLOT_DEVICE void operator()(Block& block, Shared& shared, Problem const& own, index_t j0) const {
    using T = typename Problem::T;
    if (own.stopped > 0) return;
    line_sum<T> const sum = sum_columns(block, shared, own, j0, merge_lines<T>{own.logarithmic},
                                        [&](line_sum<T>& s, index_t i, index_t j) {
                                          s.add(own.logarithmic, own.kernel(i, j), own.u(r, i));
                                        });
    index_t const j = j0 + block.lane();
    if (block.warp() != 0 || j >= own.columns) return;
    T const before = own.v_before(r, j), after = sum.scaling(own.logarithmic, own.b_of(j));
    own.v(r, j) = after;
    if (own.all.p.tolerance > T(0))
      own.all.column_value(own.column_first + j) = error(own, j, before, after);
  }

 private:
  /// What column j missed of its marginal: its mass was b before / after.
  template <class Problem, class T>
  MLOT_DEVICE static T error(Problem const& own, index_t j, T before, T after) {
    using std::exp;
    T const marginal = own.b_of(j), nothing = own.logarithmic ? -infinity<T> : T(0);
    if (marginal == T(0) || after == nothing) return marginal;
    T const surplus = (own.logarithmic ? exp(before - after) : before / after) - T(1);
    return marginal * (surplus < T(0) ? -surplus : surplus);
  }
};

/// Ends the iterations of a problem whose columns missed little enough.
struct stop_problem {
  static constexpr bool decided = true;
  index_t r;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own) const {
    using T = typename Problem::T;
    if (own.stopped > 0) return;
    T error(0), mass(0);
    for (index_t j = block.thread(); j < own.columns; j += Block::threads) {
      error += own.all.column_value(own.column_first + j);
      mass += own.b_of(j);
    }
    error = block.all(error, plus());
    mass = block.all(mass, plus());
    bool const converged = error <= own.all.p.tolerance * mass;
    if (block.thread() != 0) return;
    if (converged) own.all.stopped(own.b) = r;
    if (!own.all.p.report.converged.empty()) own.all.p.report.converged(own.b) = converged;
  }
};

/// Row i of P, its mass and what it costs.
struct finish_row {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    using T = typename Problem::T;
    index_t const r = own.done();
    T const u = own.u(r, i);
    T moved(0), mass(0);
    for (index_t j = block.lane(); j < own.columns; j += 32) {
      T const entry = own.entry(u, own.kernel(i, j), own.v(r, j));
      if (own.all.kernel.data != nullptr) own.all.kernel(own.row_first + i, j) = entry;
      moved += own.moved_cost(entry, own.cost(i, j));
      mass += entry;
    }
    moved = block.warp_all(moved, plus());
    mass = block.warp_all(mass, plus());
    if (block.lane() != 0) return;
    own.all.row_value(own.row_first + i) = moved;
    own.all.row_mass(own.row_first + i) = mass;
  }
};
/// The masses of P's columns, when its rows are finished.
struct finish_columns {
  static constexpr bool decided = true;
  template <class Block, class Shared, class Problem>
  MLOT_DEVICE void operator()(Block& block, Shared& shared, Problem const& own, index_t j0) const {
    using T = typename Problem::T;
    index_t const r = own.done();
    line_sum<T> const sum = sum_columns(
        block, shared, own, j0, merge_lines<T>{false}, [&](line_sum<T>& s, index_t i, index_t j) {
          s.sum += own.all.kernel.data != nullptr
                       ? own.all.kernel(own.row_first + i, j)
                       : own.entry(own.u(r, i), own.kernel(i, j), own.v(r, j));
        });
    index_t const j = j0 + block.lane();
    if (block.warp() == 0 && j < own.columns) own.all.column_value(own.column_first + j) = sum.sum;
  }
};

/// <P, C> and the report.
struct finish_problem {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own) const {
    using T = typename Problem::T;
    auto const& p = own.all.p;
    T distance(0);
    for (index_t i = block.thread(); i < own.rows; i += Block::threads)
      distance += own.all.row_value(own.row_first + i);
    distance = block.all(distance, plus());
    if (block.thread() == 0) {
      p.distance(own.b) = distance;
      if (!p.history.iterations.empty()) p.history.iterations(own.b) = own.done();
      if (!p.report.converged.empty() && p.tolerance == T(0)) p.report.converged(own.b) = 0;
    }
    if (!p.report.asks_for_sums()) return;
    index_t const r = own.done();
    side rows{}, columns{};
    T mass(0);
    for (index_t i = block.thread(); i < own.rows; i += Block::threads) {
      T const sum = own.all.row_mass(own.row_first + i);
      T const f = add(own, own.a(i), sum, own.u(r, i), rows);
      if (!p.report.row_potential.empty()) p.report.row_potential(own.row_first + i) = f;
      mass += sum;
    }
    for (index_t j = block.thread(); j < own.columns; j += Block::threads) {
      T const sum = own.all.column_value(own.column_first + j);
      T const g = add(own, own.b_of(j), sum, own.v(r, j), columns);
      if (!p.report.column_potential.empty()) p.report.column_potential(own.column_first + j) = g;
    }
    T const row_error = block.all(T(rows.error), plus());
    T const column_error = block.all(T(columns.error), plus());
    T const row_total = block.all(T(rows.marginal), plus());
    T const column_total = block.all(T(columns.marginal), plus());
    T const moved = block.all(T(rows.moved + columns.moved), plus());
    T const dual = block.all(T(rows.dual + columns.dual), plus());
    T const surplus = block.all(mass, plus()) - row_total * column_total;
    if (block.thread() != 0) return;
    auto const write = [&](auto const& where, T x) {
      if (!where.empty()) where(own.b) = x;
    };
    bool const has_mass = column_total > T(0);  // without it none is missed
    write(p.report.row_error, has_mass ? row_error / column_total : T(0));
    write(p.report.column_error, has_mass ? column_error / column_total : T(0));
    write(p.report.regularised, moved - own.epsilon * surplus);
    write(p.report.dual, dual - own.epsilon * surplus);
  }

 private:
  struct side {
    double error, marginal, moved, dual;
  };
  template <class Problem, class T>
  MLOT_DEVICE static T add(Problem const& own, T marginal, T sum, T scaling, side& all) {
    using std::log;
    T const potential = own.potential(scaling), off = sum - marginal;
    all.error += off < T(0) ? -off : off;
    all.marginal += marginal;
    if (marginal > T(0) && potential > -infinity<T>) {
      T const relative = potential - own.epsilon * log(marginal);
      all.moved += sum * relative;
      all.dual += marginal * relative;
    }
    return potential;
  }
};

struct sinkhorn_phases {
  index_t iterations;
  bool may_stop, sums_columns;
  decide_problem decide;

  MLOT_CALLS_EITHER template <class Run>
  MLOT_HOST_DEVICE void operator()(Run& run) const {
    run.rows(measure_row());
    run.problems(decide);
    if (run.keeps_kernel()) run.rows(fill_kernel_row());
    for (index_t r = 1; r <= iterations; ++r) {
      run.rows(row_step{r});
      run.columns(column_step{r});
      if (may_stop) run.problems(stop_problem{r});
    }
    run.rows(finish_row());
    if (sums_columns) run.columns(finish_columns());
    run.problems(finish_problem());
  }
};

template <grid Device, std::floating_point T, class Cost>
std::size_t scratch_size(Device, sinkhorn<T, typename Device::memory, Cost> const& p) {
  arena<typename Device::memory> space;
  transport_state<T, typename Device::memory, Cost>(p, {}, nullptr, space);
  return space.bytes();
}

template <grid Device, std::floating_point T, class Cost>
status run(Device device, sinkhorn<T, typename Device::memory, Cost> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  arena<memory> space(scratch);
  transport_state<T, memory, Cost> const all(p, p.plan, device.findings, space);
  return run_phases(device, all,
                    sinkhorn_phases{p.iterations,
                                    p.tolerance > T(0),
                                    p.report.asks_for_sums(),
                                    {p.domain, sinkhorn<T, memory, Cost>::safe_exponent(), true}});
}
}  // namespace mlot::MLOT_SET::simt
