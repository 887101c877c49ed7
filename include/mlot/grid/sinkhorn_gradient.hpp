#pragma once
#include "mlot/grid/sinkhorn.hpp"
#include "mlot/primitive/sinkhorn_gradient.hpp"
/// Derivatives `unrolled`, `plan_constant` and `envelope`, by the formulas of the contract; sums of
/// P stand for the marginals that they would be without rounding.
namespace mlot::MLOT_SET::simt {
/// What the recursion through the iterations keeps beside the state.
template <class T, class M, class Cost, class Derivative>
struct adjoint_state : transport_state<T, M, Cost> {
  using derivative = Derivative;
  static constexpr bool recurs = Derivative::whole_history;
  matrix_view<T, M> x{}, y{};  ///< (N, column tokens), (N, row tokens)
  vector_view<T, M> row_marginal_gradient{}, column_marginal_gradient{};

  adjoint_state() = default;
  template <class Gradient>
  adjoint_state(Gradient const& of, matrix_view<T, M> kept, std::uint64_t* to, arena<M>& space)
      : transport_state<T, M, Cost>(of.of, kept, to, space),
        row_marginal_gradient(of.row_marginal_gradient),
        column_marginal_gradient(of.column_marginal_gradient) {
    if constexpr (recurs) {
      x = space.template matrix<T>(of.of.iterations, of.of.batch.columns);
      y = space.template matrix<T>(of.of.iterations, of.of.batch.rows);
    }
  }
};

/// P(r, r) and P(r, r - 1) at one entry whose kernel is known.
template <class Problem>
MLOT_DEVICE auto plan_after(Problem const& own, index_t r, index_t i, index_t j,
                            typename Problem::T kernel) {
  return own.entry(own.u(r, i), kernel, own.v(r, j));
}
template <class Problem>
MLOT_DEVICE auto plan_between(Problem const& own, index_t r, index_t i, index_t j,
                              typename Problem::T kernel) {
  return own.entry(own.u(r, i), kernel, own.v_before(r, j));
}
template <class T>
MLOT_DEVICE T adjoint_share(T adjoint, T mass) {
  return mass > T(0) ? adjoint / mass : T(0);
}

/// A mass in `top` and an adjoint in `sum`, both plain sums.
template <class T>
struct merge_adjoints {
  MLOT_DEVICE line_sum<T> nothing() const { return {T(0), T(0)}; }
  MLOT_DEVICE line_sum<T> operator()(line_sum<T> const& a, line_sum<T> const& b) const {
    return {a.top + b.top, a.sum + b.sum};
  }
};

/// y^r = alpha / rows of P(r, r - 1), with alpha = (P o C) 1 in the last iteration, less P(r, r)
/// x^r.
struct row_adjoint {
  static constexpr bool decided = true;
  index_t r;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    using T = typename Problem::T;
    if (r > own.done()) return;
    bool const last = r == own.done();
    T adjoint(0), mass(0);
    for (index_t j = block.lane(); j < own.columns; j += 32) {
      T const kernel = own.kernel(i, j), after = plan_after(own, r, i, j, kernel);
      if (last) adjoint += own.moved_cost(after, own.cost(i, j));
      adjoint -= after * own.all.x(r - 1, own.column_first + j);
      mass += plan_between(own, r, i, j, kernel);
    }
    adjoint = block.warp_all(adjoint, plus());
    mass = block.warp_all(mass, plus());
    if (block.lane() == 0) own.all.y(r - 1, own.row_first + i) = adjoint_share(adjoint, mass);
  }
};

/// x^r = beta / columns of P(r, r), with beta = (P o C)^T 1 in the last iteration and
/// -P(r + 1, r)^T y^(r + 1) in the others.
struct column_adjoint {
  static constexpr bool decided = true;
  index_t r;
  template <class Block, class Shared, class Problem>
  MLOT_DEVICE void operator()(Block& block, Shared& shared, Problem const& own, index_t j0) const {
    using T = typename Problem::T;
    if (r > own.done()) return;
    bool const last = r == own.done();
    line_sum<T> const sum = sum_columns(
        block, shared, own, j0, merge_adjoints<T>(), [&](line_sum<T>& s, index_t i, index_t j) {
          T const kernel = own.kernel(i, j), after = plan_after(own, r, i, j, kernel);
          s.top += after;
          s.sum += last ? own.moved_cost(after, own.cost(i, j))
                        : -plan_between(own, r + 1, i, j, kernel) * own.all.y(r, own.row_first + i);
        });
    index_t const j = j0 + block.lane();
    if (block.warp() == 0 && j < own.columns)
      own.all.x(r - 1, own.column_first + j) = adjoint_share(sum.sum, sum.top);
  }
};

/// dSD/dC at one entry.
template <class Problem>
MLOT_DEVICE auto cost_derivative(Problem const& own, index_t i, index_t j) {
  using T = typename Problem::T;
  index_t const last = own.done();
  T const kernel = own.kernel(i, j), mass = plan_after(own, last, i, j, kernel);
  if constexpr (!std::remove_cvref_t<decltype(own.all)>::recurs) {
    return mass;
  } else {
    T adjoint = own.moved_cost(mass, own.cost(i, j));
    for (index_t r = 1; r <= last; ++r)
      adjoint -= plan_after(own, r, i, j, kernel) * own.all.x(r - 1, own.column_first + j) +
                 plan_between(own, r, i, j, kernel) * own.all.y(r - 1, own.row_first + i);
    return mass - adjoint / own.epsilon;
  }
}
struct write_cost_derivatives {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own, index_t i) const {
    for (index_t j = block.lane(); j < own.columns; j += 32)  // in the kernel's place
      own.all.kernel(own.row_first + i, j) = cost_derivative(own, i, j);
  }
};

/// dSD/da = sum_r y^r, through the factor that scales a, and dSD/db = sum_r x^r.
struct write_marginal_derivatives {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own) const {
    using T = typename Problem::T;
    index_t const last = own.done();
    auto const sum_to = [&](auto const& to, auto const& of, index_t first, index_t size, T factor) {
      if (to.empty()) return;
      for (index_t n = block.thread(); n < size; n += Block::threads) {
        T sum(0);
        for (index_t r = 0; r < last; ++r) sum += of(r, first + n);
        to(first + n) = factor * sum;
      }
    };
    sum_to(own.all.row_marginal_gradient, own.all.y, own.row_first, own.rows, own.balance);
    sum_to(own.all.column_marginal_gradient, own.all.x, own.column_first, own.columns, T(1));
  }
};

/// Of derivative::envelope: f' and g', less what scaling a to sum(b) takes away.
struct write_envelope_derivatives {
  static constexpr bool decided = true;
  template <class Block, class Problem>
  MLOT_DEVICE void operator()(Block& block, Problem const& own) const {
    using T = typename Problem::T;
    using std::log;
    index_t const r = own.done();
    auto const relative = [&](T scaling, T marginal) {
      T const potential = own.potential(scaling);
      return potential > -infinity<T> ? potential - own.epsilon * log(marginal) : -infinity<T>;
    };
    auto const row = [&](index_t i) { return relative(own.u(r, i), own.a(i)); };
    auto const column = [&](index_t j) { return relative(own.v(r, j), own.b_of(j)); };
    T sum(0), total(0), mass(0);
    for (index_t i = block.thread(); i < own.rows; i += Block::threads)
      if (T const f = row(i); f > -infinity<T>) {
        sum += own.a(i) * f;
        total += own.a(i);
      }
    for (index_t j = block.thread(); j < own.columns; j += Block::threads) mass += own.b_of(j);
    sum = block.all(sum, plus());
    total = block.all(total, plus());
    mass = block.all(mass, plus());
    T const mean = adjoint_share(sum, total), constant = T(2) * own.epsilon * (T(1) - mass);
    auto const &of_rows = own.all.row_marginal_gradient,
               &of_columns = own.all.column_marginal_gradient;
    if (!of_rows.empty())
      for (index_t i = block.thread(); i < own.rows; i += Block::threads) {
        T const f = row(i);
        of_rows(own.row_first + i) = f > -infinity<T> ? own.balance * (f - mean) : T(0);
      }
    if (!of_columns.empty())
      for (index_t j = block.thread(); j < own.columns; j += Block::threads) {
        T const g = column(j);
        of_columns(own.column_first + j) = g > -infinity<T> ? g - constant + mean : T(0);
      }
  }
};

/// Up to the adjoints; what is done with them is `End`'s.
template <class End>
struct adjoint_phases {
  index_t iterations;
  bool of_marginals;
  decide_problem decide;
  End end;

  MLOT_CALLS_EITHER template <class Run>
  MLOT_HOST_DEVICE void operator()(Run& run) const {
    run.rows(measure_row());
    run.problems(decide);
    if (run.keeps_kernel()) run.rows(fill_kernel_row());
    using state = std::remove_cvref_t<decltype(run.all)>;
    if constexpr (state::recurs) {
      for (index_t r = iterations; r >= 1; --r) {
        run.columns(column_adjoint{r});
        run.rows(row_adjoint{r});
      }
      if (of_marginals) run.problems(write_marginal_derivatives());
    } else if constexpr (std::same_as<typename state::derivative, derivative::envelope>) {
      if (of_marginals) run.problems(write_envelope_derivatives());
    }
    end(run);
  }
};
struct end_with_cost_derivatives {
  MLOT_CALLS_EITHER template <class Run>
  MLOT_HOST_DEVICE void operator()(Run& run) const {
    run.rows(write_cost_derivatives());
  }
};
struct end_with_adjoints {
  MLOT_CALLS_EITHER template <class Run>
  MLOT_HOST_DEVICE void operator()(Run&) const {}
};

template <class Gradient, class End>
adjoint_phases<End> adjoint_phases_of(Gradient const& p, End end) {
  return {p.of.iterations,
          !(p.row_marginal_gradient.empty() && p.column_marginal_gradient.empty()),
          {p.of.domain, p.of.safe_exponent(), false},
          end};
}

/// Derivatives that need no system solved.
template <class Derivative>
concept direct_derivative = !Derivative::solves;

template <grid Device, std::floating_point T, direct_derivative Derivative>
std::size_t scratch_size(Device,
                         sinkhorn_gradient<T, typename Device::memory, Derivative> const& p) {
  using memory = typename Device::memory;
  arena<memory> space;
  adjoint_state<T, memory, matrix_view<T const, memory>, Derivative>(p, {}, nullptr, space);
  return space.bytes();
}

template <grid Device, std::floating_point T, direct_derivative Derivative>
status run(Device device, sinkhorn_gradient<T, typename Device::memory, Derivative> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  arena<memory> space(scratch);
  adjoint_state<T, memory, matrix_view<T const, memory>, Derivative> const all(p, p.cost_gradient,
                                                                               nullptr, space);
  return run_phases(device, all, adjoint_phases_of(p, end_with_cost_derivatives()));
}

/// student_gradient of one column token: the block goes through its column of dSD/dC, `threads`
/// entries at a time, which its threads then weigh with slopes, a few of them a column of the
/// table.
template <grid Device, class State>
struct table_gradient_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  struct shared {
    typename State::scalar entry[threads];
  };
  State all;
  one_or_each<typename State::scalar, typename State::memory> weight;
  matrix_view<typename State::scalar, typename State::memory> out;  ///< (column tokens, K)

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    using T = typename State::scalar;
    index_t const token = block.index(), b = segment_of(all.p.batch.column_offset, token);
    transport_problem<State> const own(all, b, true);
    index_t const j = token - own.column_first;
    auto const& tables = all.p.cost;
    for (index_t l0 = 0; l0 < out.cols; l0 += threads) {
      index_t const l = l0 + block.thread();
      T sum(0);
      for (index_t i0 = 0; i0 < own.rows; i0 += threads) {
        index_t const i = i0 + block.thread(), count = least<index_t>(threads, own.rows - i0);
        if (i < own.rows) s.entry[block.thread()] = cost_derivative(own, i, j);
        block.sync();
        if (l < out.cols)
          for (index_t n = 0; n < count; ++n)
            sum += s.entry[n] *
                   tables.ground.slope(load_as<T>(tables.teacher(own.row_first + i0 + n, l)),
                                       load_as<T>(tables.student(token, l)));
        block.sync();
      }
      if (l < out.cols) out(token, l) = weight(b) * sum;
    }
  }
};

template <grid Device, std::floating_point T, class Ground, direct_derivative Derivative,
          storage Table>
std::size_t scratch_size(
    Device,
    sinkhorn_table_gradient<T, typename Device::memory, Ground, Derivative, Table> const& p) {
  using memory = typename Device::memory;
  arena<memory> space;
  adjoint_state<T, memory, table_cost<T, memory, Ground, Table>, Derivative>(p, {}, nullptr, space);
  return space.bytes();
}

template <grid Device, std::floating_point T, class Ground, direct_derivative Derivative,
          storage Table>
status run(Device device,
           sinkhorn_table_gradient<T, typename Device::memory, Ground, Derivative, Table> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  using state = adjoint_state<T, memory, table_cost<T, memory, Ground, Table>, Derivative>;
  arena<memory> space(scratch);
  state const all(p, {}, nullptr, space);
  if (status const s = run_phases(device, all, adjoint_phases_of(p, end_with_adjoints())); !s.ok())
    return s;
  launches<Device> launch(device);
  launch(p.of.batch.columns,
         table_gradient_kernel<Device, state>{all, p.weight, p.student_gradient});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
