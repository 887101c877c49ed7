#pragma once
#include <cmath>
#include <cstdint>

#include "mlot/core/segment.hpp"
#include "mlot/grid/device.hpp"
#include "mlot/primitive/sinkhorn.hpp"
/// One transport problem as kernels see it. The logarithmic domain stands for the absorbed one.
namespace mlot::MLOT_SET::simt {
/// What all kernels of a call share: the call itself, and scratch.
template <class T, class M, class Cost>
struct transport_state {
  using scalar = T;
  using memory = M;
  sinkhorn<T, M, Cost> p{};
  std::uint64_t* findings = nullptr;
  matrix_view<T, M> kernel{};  ///< K or its exponents, as the cost; no memory: none is kept here
  vector_view<T, M> epsilon{}, balance{}, warm_origin{};  ///< (B)
  vector_view<index_t, M> stopped{};                      ///< (B) R, or 0 while iterations go on
  vector_view<T, M> row_value{}, row_mass{};              ///< (row tokens)
  vector_view<T, M> column_value{};                       ///< (column tokens)
  vector_view<std::int32_t, M> row_forbids{};             ///< (row tokens)

  transport_state() = default;
  transport_state(sinkhorn<T, M, Cost> const& call, matrix_view<T, M> kept, std::uint64_t* to,
                  arena<M>& space)
      : p(call), findings(to), kernel(kept) {
    index_t const problems = p.batch.problems(), rows = p.batch.rows;
    epsilon = space.template vector<T>(problems);
    balance = space.template vector<T>(problems);
    warm_origin = space.template vector<T>(problems);
    stopped = space.template vector<index_t>(problems);
    row_value = space.template vector<T>(rows);
    row_mass = space.template vector<T>(rows);
    column_value = space.template vector<T>(p.batch.columns);
    row_forbids = space.template vector<std::int32_t>(rows);
  }
};

/// A sum along a row or column of the kernel, weighed by the other side's scalings: a sum, or a
/// log-sum-exp kept as its largest exponent and the sum below it.
template <class T>
struct line_sum {
  T top, sum;

  MLOT_DEVICE void add(bool logarithmic, T kernel, T other) {
    using std::exp;
    if (!logarithmic) {
      sum += kernel * other;
    } else if (T const e = kernel + other; e > top) {
      sum = sum * exp(top - e) + T(1);
      top = e;
    } else if (e > -infinity<T>) {
      sum += exp(e - top);
    }
  }
  /// The scaling, or its logarithm, that gives the line the mass `marginal`.
  MLOT_DEVICE T scaling(bool logarithmic, T marginal) const {
    using std::log;
    if (!logarithmic) return sum > T(0) ? marginal / sum : T(0);
    return top > -infinity<T> && marginal > T(0) ? log(marginal) - top - log(sum) : -infinity<T>;
  }
};
template <class T>
struct merge_lines {
  bool logarithmic;
  MLOT_DEVICE line_sum<T> nothing() const { return {-infinity<T>, T(0)}; }
  MLOT_DEVICE line_sum<T> operator()(line_sum<T> const& a, line_sum<T> const& b) const {
    using std::exp;
    if (!logarithmic) return {a.top, a.sum + b.sum};
    T const top = most(a.top, b.top);
    if (!(top > -infinity<T>)) return a;
    return {top, a.sum * exp(a.top - top) + b.sum * exp(b.top - top)};
  }
};

/// Problem b. Costs that are not allowed count as forbidden, marginals that are not as 0.
template <class State>
struct transport_problem {
  using T = typename State::scalar;
  State const& all;
  index_t b, rows, columns, row_first, column_first;
  bool logarithmic;
  T epsilon, balance, warm_origin;
  index_t stopped;
  matrix_view<T, typename State::memory> kept_kernel;  ///< (rows, >= columns), or no memory

  /// Undecided: without what the phase `decide_problem` writes.
  MLOT_DEVICE transport_problem(State const& state, index_t problem, bool decided)
      : all(state),
        b(problem),
        rows(all.p.batch.row_count(b)),
        columns(all.p.batch.column_count(b)),
        row_first(all.p.batch.row_offset(b)),
        column_first(all.p.batch.column_offset(b)),
        logarithmic(decided && all.p.history.logarithmic(b) != 0),
        epsilon(decided ? all.epsilon(b) : T(1)),
        balance(decided ? all.balance(b) : T(1)),
        warm_origin(decided ? all.warm_origin(b) : T(0)),
        stopped(decided ? all.stopped(b) : 0),
        kept_kernel(all.kernel.row_range(row_first, rows)) {}

  MLOT_DEVICE index_t entries() const { return rows * columns; }
  MLOT_DEVICE static bool is_marginal(T m) { return m >= T(0) && m < infinity<T>; }
  MLOT_DEVICE T given_a(index_t i) const {
    T const m = all.p.row_marginal(row_first + i);
    return is_marginal(m) ? m : T(0);
  }
  /// The row marginal, scaled to the columns' total mass.
  MLOT_DEVICE T a(index_t i) const { return balance * given_a(i); }
  MLOT_DEVICE T b_of(index_t j) const {
    T const m = all.p.column_marginal(column_first + j);
    return is_marginal(m) ? m : T(0);
  }
  /// The cost as given: a matrix's entry, or computed from tables.
  MLOT_DEVICE T raw_cost(index_t i, index_t j) const {
    auto const& cost = all.p.cost;
    if constexpr (requires { cost.ground; }) {
      T sum(0);
      for (index_t l = 0; l < cost.teacher.cols; ++l)
        sum += cost.ground.value(load_as<T>(cost.teacher(row_first + i, l)),
                                 load_as<T>(cost.student(column_first + j, l)));
      return sum;
    } else {
      return cost(row_first + i, j);
    }
  }
  MLOT_DEVICE static bool is_cost(T c) { return c > -infinity<T>; }
  MLOT_DEVICE T cost(index_t i, index_t j) const {
    T const c = raw_cost(i, j);
    return is_cost(c) ? c : infinity<T>;
  }
  MLOT_DEVICE T computed_kernel(index_t i, index_t j) const {
    using std::exp;
    T const exponent = -cost(i, j) / epsilon;
    return logarithmic ? exponent : exp(exponent);
  }
  MLOT_DEVICE T kernel(index_t i, index_t j) const {
    return kept_kernel.data != nullptr ? kept_kernel(i, j) : computed_kernel(i, j);
  }
  MLOT_DEVICE index_t kept(index_t r) const { return least(r, all.p.history.row_scaling.rows) - 1; }
  MLOT_DEVICE T& u(index_t r, index_t i) const {
    return all.p.history.row_scaling(kept(r), row_first + i);
  }
  MLOT_DEVICE T& v(index_t r, index_t j) const {
    return all.p.history.column_scaling(kept(r), column_first + j);
  }
  MLOT_DEVICE T warm_start(index_t j) const {
    T const g = all.p.warm_start(column_first + j);
    return g < infinity<T> ? g : -infinity<T>;
  }
  /// log v^0(j), at most 0 for columns with mass.
  MLOT_DEVICE T log_start(index_t j) const {
    if (warm_origin == -infinity<T>) return T(0);
    return (warm_start(j) - warm_origin) / epsilon;
  }
  MLOT_DEVICE T v_before(index_t r, index_t j) const {
    using std::exp;
    if (r > 1) return v(r - 1, j);
    bool const takes_part = b_of(j) > T(0);
    if (logarithmic) return takes_part ? log_start(j) : -infinity<T>;
    return takes_part ? exp(log_start(j)) : T(0);
  }
  MLOT_DEVICE T entry(T u_i, T kernel_ij, T v_j) const {
    using std::exp;
    return logarithmic ? exp(u_i + kernel_ij + v_j) : u_i * kernel_ij * v_j;
  }
  MLOT_DEVICE static T moved_cost(T mass, T cost) { return mass > T(0) ? mass * cost : T(0); }
  /// epsilon log of a scaling.
  MLOT_DEVICE T potential(T scaling) const {
    using std::log;
    if (logarithmic) return epsilon * scaling;
    return scaling > T(0) ? epsilon * log(scaling) : -infinity<T>;
  }
  /// R, when the iterations are over.
  MLOT_DEVICE index_t done() const { return stopped > 0 ? stopped : all.p.iterations; }
};

/// Sums of columns: 32 columns a block, each warp some of the rows, then warp after warp.
template <class T, int Warps>
struct column_parts {
  line_sum<T> part[Warps][32];
};
/// The sum of column j0 + lane, in the first warp. `add(sum, i, j)` adds an entry. Collective.
template <class Block, class Shared, class Problem, class Merge, class Add>
MLOT_DEVICE auto sum_columns(Block& block, Shared& shared, Problem const& own, index_t j0,
                             Merge merge, Add add) {
  index_t const j = j0 + block.lane();
  auto sum = merge.nothing();
  if (j < own.columns)
    for (index_t i = block.warp(); i < own.rows; i += Block::warps) add(sum, i, j);
  shared.part[block.warp()][block.lane()] = sum;
  block.sync();
  if (block.warp() == 0)
    for (int w = 1; w < Block::warps; ++w) sum = merge(sum, shared.part[w][block.lane()]);
  block.sync();  // before the next tile writes
  return sum;
}
/// The sum of row i, in every lane. Collective for a warp.
template <class Block, class Problem, class Merge, class Add>
MLOT_DEVICE auto sum_row(Block& block, Problem const& own, Merge merge, Add add) {
  auto sum = merge.nothing();
  for (index_t j = block.lane(); j < own.columns; j += 32) add(sum, j);
  return block.warp_all(sum, merge);
}

/// A list of phases is carried out either by one block a problem, all phases in one launch, or by
/// a launch a phase, with all of the grid for one large problem. Both give the same bits: a row is
/// a warp's, a tile of 32 columns a block's, and what is a problem's is one block's.
///
///   row phase      phase(block, problem, i)              by the warp of row i
///   column phase   phase(block, shared, problem, j0)     by the block of columns j0 .. j0 + 31
///   problem phase  phase(block, problem)                 by the problem's block
///
/// each with `static constexpr bool decided`: whether it comes after decide_problem. One block
/// keeps K in shared memory where it fits.
template <class Block, class Shared, class State>
struct phases_in_block {
  Block& block;
  Shared& shared;
  State const& all;

  template <class Phase>
  MLOT_DEVICE void rows(Phase const& phase) {
    transport_problem<State> const own = problem<Phase>();
    for (index_t i = block.warp(); i < own.rows; i += Block::warps) phase(block, own, i);
    block.sync();
  }
  template <class Phase>
  MLOT_DEVICE void columns(Phase const& phase) {
    transport_problem<State> const own = problem<Phase>();
    for (index_t j0 = 0; j0 < own.columns; j0 += 32) phase(block, shared, own, j0);
    block.sync();
  }
  template <class Phase>
  MLOT_DEVICE void problems(Phase const& phase) {
    phase(block, problem<Phase>());
    block.sync();
  }
  MLOT_DEVICE bool keeps_kernel() const {
    return transport_problem<State>(all, block.index(), false).entries() <=
               Shared::kernel_entries ||
           all.kernel.data != nullptr;
  }

 private:
  template <class Phase>
  MLOT_DEVICE transport_problem<State> problem() const {
    transport_problem<State> own(all, block.index(), Phase::decided);
    if (own.entries() <= Shared::kernel_entries)
      own.kept_kernel = {shared.kernel, own.rows, own.columns, own.columns, 1};
    return own;
  }
};

template <grid Device, class State, class Phase>
struct row_phase_kernel {
  static constexpr int threads = Device::tuning.problem_threads;
  using shared = nothing_shared;
  State all;
  Phase phase;
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const i = block.index() * Block::warps + block.warp();
    if (i >= all.p.batch.rows) return;
    transport_problem<State> const own(all, segment_of(all.p.batch.row_offset, i), Phase::decided);
    phase(block, own, i - own.row_first);
  }
};
template <grid Device, class State, class Phase>
struct column_phase_kernel {
  static constexpr int threads = Device::tuning.problem_threads;
  using shared = column_parts<typename State::scalar, threads / 32>;
  State all;
  Phase phase;
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const tiles = blocks_for(all.p.batch.longest_row, 32);
    transport_problem<State> const own(all, block.index() / tiles, Phase::decided);
    if (index_t const j0 = block.index() % tiles * 32; j0 < own.columns) phase(block, s, own, j0);
  }
};
template <grid Device, class State, class Phase>
struct problem_phase_kernel {
  static constexpr int threads = Device::tuning.problem_threads;
  using shared = nothing_shared;
  State all;
  Phase phase;
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    phase(block, transport_problem<State>(all, block.index(), Phase::decided));
  }
};

template <grid Device, class State>
struct phases_by_launches {
  launches<Device> launch;
  State const& all;

  template <class Phase>
  void rows(Phase const& phase) {
    using kernel = row_phase_kernel<Device, State, Phase>;
    launch(blocks_for(all.p.batch.rows, kernel::threads / 32), kernel{all, phase});
  }
  template <class Phase>
  void columns(Phase const& phase) {
    using kernel = column_phase_kernel<Device, State, Phase>;
    launch(all.p.batch.problems() * blocks_for(all.p.batch.longest_row, 32), kernel{all, phase});
  }
  template <class Phase>
  void problems(Phase const& phase) {
    launch(all.p.batch.problems(), problem_phase_kernel<Device, State, Phase>{all, phase});
  }
  bool keeps_kernel() const { return all.kernel.data != nullptr; }
};

/// `List` is a list of phases: a struct with `template <class Run> void operator()(Run& run)
/// const`.
template <grid Device, class State, class List>
struct phases_kernel {
  using T = typename State::scalar;
  static constexpr int threads = Device::tuning.problem_threads;
  static constexpr bool alone = true;
  struct shared : column_parts<T, threads / 32> {
    static constexpr index_t kernel_entries =
        Device::tuning.shared_kernel_bytes / index_t(sizeof(T));
    T kernel[kernel_entries];
  };
  State all;
  List list;
  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    phases_in_block<Block, shared, State> run{block, s, all};
    list(run);
  }
};
template <grid Device, class State, class List>
status run_phases(Device device, State const& all, List const& list) {
  problem_batch<typename State::memory> const& batch = all.p.batch;
  launches<Device> launch(device);
  if (batch.problems() == 0) return launch.answer();
  if (batch.rows * batch.longest_row <= batch.problems() * Device::tuning.one_block_entries) {
    launch(batch.problems(), phases_kernel<Device, State, List>{all, list});
    return launch.answer();
  }
  phases_by_launches<Device, State> run{launch, all};
  list(run);
  return run.launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
