#pragma once
#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/scalar/sinkhorn.hpp"
#include "mlot/scalar/sinkhorn_fixed_point.hpp"
namespace mlot::MLOT_SET::scalar {
/// x^r and y^r of all problems, and the log-adjoints alpha and beta.
template <real T>
struct sinkhorn_adjoints {
  matrix_view<T, host_memory> x, y;                 ///< (N, column tokens), (N, row tokens)
  vector_view<wide_t<T>, host_memory> alpha, beta;  ///< (row tokens), (column tokens)
  template <class Cost>
  sinkhorn_adjoints(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : x(space.matrix<T>(p.iterations, p.batch.columns)),
        y(space.matrix<T>(p.iterations, p.batch.rows)),
        alpha(space.vector<wide_t<T>>(p.batch.rows)),
        beta(space.vector<wide_t<T>>(p.batch.columns)) {}
};

/// Scratch of one kind of derivative; nothing where P alone answers.
template <real T, class Derivative>
struct derivative_scratch {
  template <class Cost>
  derivative_scratch(sinkhorn<T, host_memory, Cost> const&, arena<host_memory>&) {}
};
template <real T>
struct derivative_scratch<T, derivative::unrolled> : sinkhorn_adjoints<T> {
  using sinkhorn_adjoints<T>::sinkhorn_adjoints;
};
template <real T>
struct derivative_scratch<T, derivative::implicit> : fixed_point_scratch<T> {
  using fixed_point_scratch<T>::fixed_point_scratch;
};

template <real T, class Derivative>
std::size_t scratch_size(device, sinkhorn_gradient<T, host_memory, Derivative> const& p) {
  arena<host_memory> space;
  derivative_scratch<T, Derivative>(p.of, space);
  return space.bytes();
}

/// The recursion of one problem, given its kernel: fills x, y, and answers dSD/dC entry by entry.
template <real T, class Cost, class Kernel>
auto differentiate(sinkhorn_problem<T, Cost> const& problem, sinkhorn_adjoints<T> const& all,
                   Kernel kernel) {
  index_t const rows = problem.rows, columns = problem.columns;
  index_t const iterations = problem.done();
  auto const x = [&](index_t r, index_t j) -> T& { return all.x(r - 1, problem.column_first + j); };
  auto const y = [&](index_t r, index_t i) -> T& { return all.y(r - 1, problem.row_first + i); };
  auto const alpha = [&](index_t i) -> wide_t<T>& { return all.alpha(problem.row_first + i); };
  auto const beta = [&](index_t j) -> wide_t<T>& { return all.beta(problem.column_first + j); };
  auto const share = [](wide_t<T> const& adjoint, wide_t<T> const& mass) {
    return mass > wide_t<T>(0) ? T(adjoint / mass) : T(0);
  };
  auto const after = [&problem, kernel](index_t r, index_t i, index_t j) {  // P(r, r)
    return problem.entry(problem.u(r, i), kernel(i, j), problem.v(r, j));
  };
  auto const between = [&problem, kernel](index_t r, index_t i, index_t j) {  // P(r, r - 1)
    return problem.entry(problem.u(r, i), kernel(i, j), problem.v_before(r, j));
  };

  for (index_t i = 0; i < rows; ++i) alpha(i) = wide_t<T>(0);
  for (index_t j = 0; j < columns; ++j) beta(j) = wide_t<T>(0);
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) {
      T const both = moved_cost(after(iterations, i, j), T(problem.cost(i, j)));
      alpha(i) += both;
      beta(j) += both;
    }
  for (index_t r = iterations; r >= 1; --r) {
    for (index_t j = 0; j < columns; ++j) {
      wide_t<T> mass(0);
      for (index_t i = 0; i < rows; ++i) mass += after(r, i, j);
      x(r, j) = share(beta(j), mass);
      beta(j) = wide_t<T>(0);
    }
    for (index_t i = 0; i < rows; ++i) {
      wide_t<T> mass(0);
      for (index_t j = 0; j < columns; ++j) {
        alpha(i) -= T(after(r, i, j) * x(r, j));
        mass += between(r, i, j);
      }
      y(r, i) = share(alpha(i), mass);
      alpha(i) = wide_t<T>(0);
      for (index_t j = 0; j < columns; ++j) beta(j) -= T(between(r, i, j) * y(r, i));
    }
  }
  return [=, &problem, &all](index_t i, index_t j) {
    T const mass = after(iterations, i, j);
    wide_t<T> exponent_adjoint(moved_cost(mass, T(problem.cost(i, j))));
    for (index_t r = 1; r <= iterations; ++r) {  // two sums: in float no product is fused
      exponent_adjoint -= T(after(r, i, j) * all.x(r - 1, problem.column_first + j));
      exponent_adjoint -= T(between(r, i, j) * all.y(r - 1, problem.row_first + i));
    }
    return T(mass - T(exponent_adjoint) / problem.epsilon);
  };
}

/// dSD/da = sum_r y^r and dSD/db = sum_r x^r of one problem, where y(r, i) and x(r, j) answer them.
/// P does not see the factor that scales a to sum(b): it multiplies the gradient, and nothing comes
/// through it.
template <class Gradient, class Problem, class Y, class X>
void write_marginal_gradients(Gradient const& p, Problem const& problem, Y y, X x) {
  using T = decltype(problem.a(0));
  index_t const iterations = problem.done();
  for (index_t i = 0; i < problem.rows && !p.row_marginal_gradient.empty(); ++i) {
    wide_t<T> sum(0);
    for (index_t r = 1; r <= iterations; ++r) sum += y(r, i);
    p.row_marginal_gradient(problem.row_first + i) = T(T(sum) * problem.balance);
  }
  for (index_t j = 0; j < problem.columns && !p.column_marginal_gradient.empty(); ++j) {
    wide_t<T> sum(0);
    for (index_t r = 1; r <= iterations; ++r) sum += x(r, j);
    p.column_marginal_gradient(problem.column_first + j) = T(sum);
  }
}

template <class Gradient, real T, class Problem>
void write_marginal_gradients(Gradient const& p, Problem const& problem,
                              sinkhorn_adjoints<T> const& all) {
  write_marginal_gradients(
      p, problem, [&](index_t r, index_t i) { return all.y(r - 1, problem.row_first + i); },
      [&](index_t r, index_t j) { return all.x(r - 1, problem.column_first + j); });
}

/// The derivative that p asks for, of one problem: writes what it says of the marginals, and
/// answers dSD/dC entry by entry.
template <class Gradient, class Problem, real T, class Kernel>
auto differentiate(Gradient const& p, Problem const& problem,
                   derivative_scratch<T, derivative::unrolled> const& all, Kernel kernel) {
  auto const entry = differentiate(problem, all, kernel);
  write_marginal_gradients(p, problem, all);
  return entry;
}

/// The plan of the last scalings, entry by entry.
template <class Problem, class Kernel>
auto last_plan(Problem const& problem, Kernel kernel) {
  return [&problem, kernel, r = problem.done()](index_t i, index_t j) {
    return problem.entry(problem.u(r, i), kernel(i, j), problem.v(r, j));
  };
}
template <class Gradient, class Problem, real T, class Kernel>
auto differentiate(Gradient const&, Problem const& problem,
                   derivative_scratch<T, derivative::plan_constant> const&, Kernel kernel) {
  return last_plan(problem, kernel);
}
template <class Gradient, class Problem, real T, class Kernel>
auto differentiate(Gradient const& p, Problem const& problem,
                   derivative_scratch<T, derivative::envelope> const&, Kernel kernel) {
  write_envelope_gradients(p, problem);
  return last_plan(problem, kernel);
}
template <class Gradient, real T, class Cost, class Kernel>
auto differentiate(Gradient const& p, sinkhorn_problem<T, Cost> const& problem,
                   derivative_scratch<T, derivative::implicit> const& all, Kernel kernel) {
  auto const plan = last_plan(problem, kernel);
  fixed_point<T, Cost, decltype(plan)> const at{{problem, all}, plan};
  at.begin();
  index_t const iterations = solve(at, p.how);
  at.end();
  write_solution(p, at, iterations);
  return [at](index_t i, index_t j) {
    return fixed_point_entry(at.plan(i, j), at.problem.cost(i, j), at.x(i), at.y(j),
                             at.problem.epsilon);
  };
}

/// What a gradient writes beside dSD/dC.
template <real T, class Derivative>
struct gradient_outputs {
  vector_view<T, host_memory> row_marginal_gradient, column_marginal_gradient;
  Derivative how;
  sinkhorn_solution<T, host_memory> solution;
};
template <class Gradient, real T, class Derivative>
gradient_outputs<T, Derivative> outputs_of(Gradient const& p,
                                           sinkhorn_solution<T, host_memory> const&,
                                           Derivative const&) {
  return {p.row_marginal_gradient, p.column_marginal_gradient, p.how, p.solution};
}
/// Calls take(b, i, j, dSD/dC(i, j)) for all entries of all problems, column by column. A given
/// `kept` holds the kernel until the end.
template <class Derivative, real T>
MLOT_COMPILED_ONCE void differentiate_all(
    any_sinkhorn<T> const& of, gradient_outputs<T, Derivative> const& p,
    derivative_scratch<T, Derivative> const& all, matrix_view<T, host_memory> kept,
    function_ref<void(index_t, index_t, vector_view<T, host_memory>)> const* take,
    vector_view<T, host_memory> column) {
  for (index_t b = 0; b < of.batch.problems(); ++b) {
    any_problem<T> const problem{of, b};
    auto const gradient = of.batch.of(kept, b);
    bool const keeps = gradient.data != nullptr;
    for (index_t i = 0; i < problem.rows && keeps; ++i)
      for (index_t j = 0; j < problem.columns; ++j) gradient(i, j) = problem.kernel(i, j);
    auto const entry = differentiate(p, problem, all, [=, &problem](index_t i, index_t j) {
      return keeps ? gradient(i, j) : problem.kernel(i, j);
    });
    if (keeps) {
      for (index_t i = 0; i < problem.rows; ++i)
        for (index_t j = 0; j < problem.columns; ++j) gradient(i, j) = entry(i, j);
      continue;
    }
    for (index_t j = 0; j < problem.columns; ++j) {
      for (index_t i = 0; i < problem.rows; ++i) column(i) = entry(i, j);
      (*take)(b, j, {column.data, problem.rows});
    }
  }
}

template <real T, class Derivative>
status run(device, sinkhorn_gradient<T, host_memory, Derivative> const& p,
           workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  derivative_scratch<T, Derivative> const all(p.of, space);
  differentiate_all<Derivative, T>(with_cost(p.of, any_cost_of(p.of)),
                                   outputs_of(p, p.solution, p.how), all, p.cost_gradient, nullptr,
                                   {});
  return {};
}

template <real T, class Ground, class Derivative, storage Table>
struct table_adjoints {
  derivative_scratch<T, Derivative> own;
  vector_view<wide_t<T>, host_memory> row;  ///< (K) one student token's gradient
  vector_view<T, host_memory> column;       ///< (row tokens) one column of dSD/dC
  table_adjoints(sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p,
                 arena<host_memory>& space)
      : own(p.of, space),
        row(space.vector<wide_t<T>>(p.of.cost.student.cols)),
        column(space.vector<T>(p.of.batch.rows)) {}
};

template <real T, class Ground, class Derivative, storage Table>
std::size_t scratch_size(
    device, sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p) {
  arena<host_memory> space;
  table_adjoints<T, Ground, Derivative, Table>(p, space);
  return space.bytes();
}

template <real T, class Ground, class Derivative, storage Table>
status run(device, sinkhorn_table_gradient<T, host_memory, Ground, Derivative, Table> const& p,
           workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  table_adjoints<T, Ground, Derivative, Table> const all(p, space);
  auto const& tables = p.of.cost;
  auto const add_column = [&](index_t b, index_t j, vector_view<T, host_memory> column) {
    index_t const s = p.of.batch.column_offset(b) + j, first = p.of.batch.row_offset(b);
    for (index_t l = 0; l < all.row.size; ++l) all.row(l) = wide_t<T>(0);
    for (index_t i = 0; i < column.size; ++i)
      for (index_t l = 0; l < all.row.size; ++l)
        all.row(l) += column(i) * tables.ground.slope(load_as<T>(tables.teacher(first + i, l)),
                                                      load_as<T>(tables.student(s, l)));
    for (index_t l = 0; l < all.row.size; ++l)
      p.student_gradient(s, l) = p.weight(b) * T(all.row(l));
  };
  function_ref<void(index_t, index_t, vector_view<T, host_memory>)> const take(add_column);
  differentiate_all<Derivative, T>(with_cost(p.of, any_cost_of(p.of)),
                                   outputs_of(p, p.solution, p.how), all.own, {}, &take,
                                   all.column);
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
