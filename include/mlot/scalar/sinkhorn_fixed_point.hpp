#pragma once
#include <cmath>

#include "mlot/primitive/sinkhorn_gradient.hpp"
#include "mlot/scalar/sinkhorn_problem.hpp"
/// The derivative of the fixed point. With a = P 1 and the mean cost t = diag(1/a) r of each row,
/// the system of derivative::implicit is, row by row and then on the columns alone,
///
///   x = t - diag(1/a) P y,    [diag(b) - P^T diag(1/a) P] y = c - P^T t
///
/// The matrix is applied in one sweep over P: row i's product with y, divided by a_i, weighs that
/// row into the columns.
namespace mlot::MLOT_SET::scalar {
/// The system's vectors, of all problems.
template <real T>
struct fixed_point_scratch {
  vector_view<T, host_memory> row_mass, mean_cost, x;  ///< (row tokens) a, t, x
  vector_view<T, host_memory> column_cost, right, y;   ///< (column tokens) c, c - P^T t, y
  vector_view<T, host_memory> in, out;                 ///< (column tokens) of a product
  vector_view<index_t, host_memory> serves;            ///< (B) 1 while products are asked for
  template <class Cost>
  fixed_point_scratch(sinkhorn<T, host_memory, Cost> const& p, arena<host_memory>& space)
      : row_mass(space.vector<T>(p.batch.rows)),
        mean_cost(space.vector<T>(p.batch.rows)),
        x(space.vector<T>(p.batch.rows)),
        column_cost(space.vector<T>(p.batch.columns)),
        right(space.vector<T>(p.batch.columns)),
        y(space.vector<T>(p.batch.columns)),
        in(space.vector<T>(p.batch.columns)),
        out(space.vector<T>(p.batch.columns)),
        serves(space.vector<index_t>(p.batch.problems())) {}
};

/// One problem's part of it.
template <real T, class Cost>
struct fixed_point_vectors {
  using value_type = T;
  sinkhorn_problem<T, Cost> const& problem;
  fixed_point_scratch<T> const& all;
  index_t rows = problem.rows, columns = problem.columns;

  T& row_mass(index_t i) const { return all.row_mass(problem.row_first + i); }
  T& mean_cost(index_t i) const { return all.mean_cost(problem.row_first + i); }
  T& x(index_t i) const { return all.x(problem.row_first + i); }
  T& column_cost(index_t j) const { return all.column_cost(problem.column_first + j); }
  T& right(index_t j) const { return all.right(problem.column_first + j); }
  T& y(index_t j) const { return all.y(problem.column_first + j); }
  T& in(index_t j) const { return all.in(problem.column_first + j); }
  T& out(index_t j) const { return all.out(problem.column_first + j); }
  T column_mass(index_t j) const { return problem.b_of(j); }

  /// || (r, c) ||
  double scale() const {
    double sum = 0;
    for (index_t i = 0; i < rows; ++i) sum += square(as_double(T(row_mass(i) * mean_cost(i))));
    for (index_t j = 0; j < columns; ++j) sum += square(as_double(column_cost(j)));
    return std::sqrt(sum);
  }
  /// Once `out` = P^T x. The system's rows hold to rounding: x is made from them.
  double relative_residual() const {
    double sum = 0;
    for (index_t j = 0; j < columns; ++j)
      sum += square(as_double(column_cost(j)) - as_double(out(j)) -
                    as_double(column_mass(j)) * as_double(y(j)));
    return sum > 0 ? std::sqrt(sum) / scale() : 0;
  }

 private:
  static double square(double x) { return x * x; }
};

/// numerator / mass, or 0 where nothing is.
template <real T>
T per_mass(T const& numerator, T const& mass) {
  return mass > T(0) ? T(numerator / mass) : T(0);
}
/// The system of one problem on the scalar device; plan(i, j) answers P.
template <real T, class Cost, class Plan>
struct fixed_point : fixed_point_vectors<T, Cost> {
  using base = fixed_point_vectors<T, Cost>;
  using base::rows, base::columns, base::problem;
  Plan plan;

  /// a, t, c and the right side.
  void begin() const {
    for (index_t i = 0; i < rows; ++i) {
      wide_t<T> mass(0), moved(0);
      for (index_t j = 0; j < columns; ++j) {
        mass += plan(i, j);
        moved += moved_cost(plan(i, j), problem.cost(i, j));
      }
      this->row_mass(i) = T(mass);
      this->mean_cost(i) = per_mass(T(moved), T(mass));
    }
    for (index_t j = 0; j < columns; ++j) {
      wide_t<T> moved(0), expected(0);
      for (index_t i = 0; i < rows; ++i) {
        moved += moved_cost(plan(i, j), problem.cost(i, j));
        expected += T(plan(i, j) * this->mean_cost(i));
      }
      this->column_cost(j) = T(moved);
      this->right(j) = T(moved - expected);
      this->y(j) = T(0);
    }
  }
  /// out = P^T diag(1/a) P in
  void multiply() const {
    sweep([&](index_t j) { return this->in(j); },
          [&](index_t i, T const& dot) { return per_mass(dot, this->row_mass(i)); });
  }
  /// Calls visit(i, P(i, .), C(i, .)) row by row.
  template <class Visit>
  void for_each_row(Visit visit) const {
    for (index_t i = 0; i < rows; ++i)
      visit(
          i, [&](index_t j) { return plan(i, j); }, [&](index_t j) { return problem.cost(i, j); });
  }
  /// Given y: x, and out = P^T x.
  void end() const {
    sweep([&](index_t j) { return this->y(j); },
          [&](index_t i, T const& dot) {
            return T(this->mean_cost(i) - per_mass(dot, this->row_mass(i)));
          });
  }

 private:
  /// x(i) = weigh(i, sum_j P(i, j) from(j)), out = P^T x
  template <class From, class Weigh>
  void sweep(From from, Weigh weigh) const {
    for (index_t i = 0; i < rows; ++i) {
      wide_t<T> dot(0);
      for (index_t j = 0; j < columns; ++j) dot += T(plan(i, j) * from(j));
      this->x(i) = weigh(i, T(dot));
    }
    for (index_t j = 0; j < columns; ++j) {
      wide_t<T> sum(0);
      for (index_t i = 0; i < rows; ++i) sum += T(plan(i, j) * this->x(i));
      this->out(j) = T(sum);
    }
  }
};

/// Solves System's reduced system for y and answers the iterations of conjugate gradients. Eigen
/// does it: the definition is in mlot/interop/implicit.hpp.
template <class System>
struct fixed_point_solver;

template <class System>
index_t solve(System const& system, derivative::implicit const& options) {
  static_assert(
      requires { sizeof(fixed_point_solver<System>); },
      "mlot: Eigen solves the implicit derivative; include mlot/interop/implicit.hpp");
  return fixed_point_solver<System>::solve(system, options);
}

/// dSD/dC at one entry, given P, C, x and y there.
template <real T>
T fixed_point_entry(T const& mass, T const& cost, T const& x, T const& y, T const& epsilon) {
  return mass > T(0) ? T(mass + (x + y - cost) * mass / epsilon) : T(0);
}

/// Gradients with respect to a and b. row(i) and column(j) are the derivatives with respect to a
/// scaled to sum(b), and to b, as far as the sums stay equal: known up to a constant that one side
/// gives and the other takes. What scales a passes its mean on. Lines without a scaling take no
/// part.
template <class Gradient, class Problem, class Row, class Column, class Mass>
void write_balanced_gradients(Gradient const& p, Problem const& problem, Row row, Column column,
                              Mass mass) {
  using T = decltype(problem.a(0));
  index_t const r = problem.done();
  auto const takes_part = [&](T const& scaling) {
    return problem.potential(scaling) > -infinity<T>;
  };
  wide_t<T> sum(0), total(0);
  for (index_t i = 0; i < problem.rows; ++i)
    if (takes_part(problem.u(r, i))) {
      sum += T(mass(i) * row(i));
      total += mass(i);
    }
  T const mean = per_mass(T(sum), T(total));
  for (index_t i = 0; i < problem.rows && !p.row_marginal_gradient.empty(); ++i)
    p.row_marginal_gradient(problem.row_first + i) =
        takes_part(problem.u(r, i)) ? T(problem.balance * (row(i) - mean)) : T(0);
  for (index_t j = 0; j < problem.columns && !p.column_marginal_gradient.empty(); ++j)
    p.column_marginal_gradient(problem.column_first + j) =
        takes_part(problem.v(r, j)) ? T(column(j) + mean) : T(0);
}

/// After end(): the residual, the iterations and the gradients of the marginals.
template <class Gradient, class Fixed>
void write_solution(Gradient const& p, Fixed const& at, index_t iterations) {
  auto const& problem = at.problem;
  if (!p.solution.residual.empty())
    p.solution.residual(problem.b) = typename Fixed::value_type(at.relative_residual());
  if (!p.solution.iterations.empty()) p.solution.iterations(problem.b) = iterations;
  write_balanced_gradients(
      p, problem, [&](index_t i) { return at.x(i); }, [&](index_t j) { return at.y(j); },
      [&](index_t i) { return at.row_mass(i); });
}

/// Gradients of the regularised value with respect to the marginals.
template <class Gradient, class Problem>
void write_envelope_gradients(Gradient const& p, Problem const& problem) {
  using std::log;
  using T = decltype(problem.a(0));
  index_t const r = problem.done();
  T const epsilon = problem.epsilon;
  T const constant = T(2) * epsilon * (T(1) - problem.column_mass());
  auto const relative = [&](T const& scaling, T const& marginal) {  // f' or g'
    return T(problem.potential(scaling) - epsilon * T(log(marginal)));
  };
  write_balanced_gradients(
      p, problem, [&](index_t i) { return relative(problem.u(r, i), problem.a(i)); },
      [&](index_t j) { return T(relative(problem.v(r, j), problem.b_of(j)) - constant); },
      [&](index_t i) { return problem.a(i); });
}
}  // namespace mlot::MLOT_SET::scalar
