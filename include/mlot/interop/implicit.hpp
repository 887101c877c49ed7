#pragma once
#include <Eigen/Eigenvalues>
#include <Eigen/IterativeLinearSolvers>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>

#include "mlot/scalar/sinkhorn_fixed_point.hpp"
/// derivative::implicit, solved by Eigen 3.4: include this beside mlot/mlot.hpp or mlot/simd.hpp.
/// It is in no umbrella, because it needs Eigen and because Eigen allocates.
namespace mlot::MLOT_SET::scalar {
/// I - A^T A of a System as Eigen sees a matrix that nobody stores.
template <class System>
struct reduced_matrix : Eigen::EigenBase<reduced_matrix<System>> {
  using Scalar = typename System::value_type;
  using RealScalar = Scalar;
  using StorageIndex = Eigen::Index;
  static constexpr int ColsAtCompileTime = Eigen::Dynamic, MaxColsAtCompileTime = Eigen::Dynamic;
  static constexpr bool IsRowMajor = false;
  using vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;
  System const& system;
  vector const& normaliser;  ///< b^(-1/2), 0 where b is 0

  reduced_matrix(System const& of, vector const& inverse_roots)
      : system(of), normaliser(inverse_roots) {}
  Eigen::Index rows() const { return system.columns; }
  Eigen::Index cols() const { return system.columns; }
  template <class Right>
  Eigen::Product<reduced_matrix, Right, Eigen::AliasFreeProduct> operator*(
      Eigen::MatrixBase<Right> const& x) const {
    return {*this, x.derived()};
  }
};
}  // namespace mlot::MLOT_SET::scalar

namespace Eigen::internal {
template <class System>
struct traits<mlot::scalar::reduced_matrix<System>>
    : traits<SparseMatrix<typename System::value_type>> {};

template <class System, class Right>
struct generic_product_impl<mlot::scalar::reduced_matrix<System>, Right, SparseShape, DenseShape,
                            GemvProduct>
    : generic_product_impl_base<mlot::scalar::reduced_matrix<System>, Right,
                                generic_product_impl<mlot::scalar::reduced_matrix<System>, Right>> {
  using Scalar = typename System::value_type;
  template <class To>
  static void scaleAndAddTo(To& to, mlot::scalar::reduced_matrix<System> const& matrix,
                            Right const& x, Scalar const& factor) {
    auto const& system = matrix.system;
    for (Index j = 0; j < x.size(); ++j) system.in(j) = matrix.normaliser[j] * x[j];
    system.multiply();
    for (Index j = 0; j < x.size(); ++j)
      to[j] += factor * (x[j] - matrix.normaliser[j] * system.out(j));
  }
};
}  // namespace Eigen::internal

namespace mlot::MLOT_SET::scalar {
template <class System>
struct fixed_point_solver {
  using T = typename System::value_type;
  static_assert(std::floating_point<T>, "mlot: the implicit derivative computes in built-in types");

  static index_t solve(System const& system, derivative::implicit const& options) {
    if ((std::min)(system.rows, system.columns) > options.direct) return iterate(system, options);
    decompose(system);
    return 0;
  }

 private:
  template <class Number>
  using vector_of = Eigen::Matrix<Number, Eigen::Dynamic, 1>;
  template <class Number>
  static vector_of<Number> inverse_roots(vector_of<Number> const& mass) {
    return mass.unaryExpr(
        [](Number m) { return m > Number(0) ? Number(1) / std::sqrt(m) : Number(0); });
  }

  static index_t iterate(System const& system, derivative::implicit const& options) {
    using vector = vector_of<T>;
    vector mass(system.columns), right(system.columns);
    for (index_t j = 0; j < system.columns; ++j) mass[j] = system.column_mass(j);
    vector const normaliser = inverse_roots(mass);
    for (index_t j = 0; j < system.columns; ++j) right[j] = normaliser[j] * system.right(j);
    T const unit = right.template lpNorm<Eigen::Infinity>();  // no square of it overflows
    if (!(unit > T(0))) return 0;
    right /= unit;
    // The residual of the whole system is b^(1/2) times that of the reduced one.
    double const least = 4 * double(std::numeric_limits<T>::epsilon());
    double const enough =
        (std::max)(options.tolerance, least) * system.scale() /
        (std::sqrt(double(mass.maxCoeff())) * double(right.norm()) * double(unit));
    reduced_matrix<System> const matrix(system, normaliser);
    Eigen::ConjugateGradient<reduced_matrix<System>, Eigen::Lower | Eigen::Upper,
                             Eigen::IdentityPreconditioner>
        conjugate_gradients;
    conjugate_gradients.setMaxIterations(options.most_iterations)
        .setTolerance(T((std::min)(enough, 2.0)));
    vector const y = conjugate_gradients.compute(matrix).solve(right);
    // Only rounding can lead them astray, where nothing is left of a residual; y stays 0 then.
    bool const finite = y.allFinite();
    for (index_t j = 0; j < system.columns && finite; ++j)
      system.y(j) = unit * normaliser[j] * y[j];
    return conjugate_gradients.iterations();
  }

  /// By the eigenvectors of the smaller side. On the rows' side x - t = a^(-1/2) z in
  ///   (I - A A^T) z = -A g,    b^(1/2) y = g - A^T z,    g = b^(-1/2) (c - P^T t).
  static void decompose(System const& system) {
    using number = wide_t<T>;
    using vector = vector_of<number>;
    using matrix = Eigen::Matrix<number, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    index_t const rows = system.rows, columns = system.columns;
    if (rows == 0 || columns == 0) return;
    matrix a(rows, columns);
    vector row_mass = vector::Zero(rows), column_mass = vector::Zero(columns);
    vector right = vector::Zero(columns);
    system.for_each_row([&](index_t i, auto plan, auto cost) {
      number moved(0);
      for (index_t j = 0; j < columns; ++j) {
        number const mass = a(i, j) = number(plan(j));
        row_mass[i] += mass;
        column_mass[j] += mass;
        moved += moved_cost(mass, number(cost(j)));
      }
      number const mean = per_mass(moved, row_mass[i]);
      for (index_t j = 0; j < columns; ++j) right[j] += moved_cost(a(i, j), number(cost(j)) - mean);
    });
    vector const by_rows = inverse_roots(row_mass), by_columns = inverse_roots(column_mass);
    a = by_rows.asDiagonal() * a * by_columns.asDiagonal();
    vector const g = by_columns.cwiseProduct(right);
    number const least =
        number(4) * number(rows + columns) * std::numeric_limits<number>::epsilon();
    vector y;
    if (columns <= rows) {
      matrix reduced = matrix::Identity(columns, columns);
      reduced.template selfadjointView<Eigen::Lower>().rankUpdate(a.transpose(), number(-1));
      y = least_solution(reduced, g, least);
    } else {
      matrix reduced = matrix::Identity(rows, rows);
      reduced.template selfadjointView<Eigen::Lower>().rankUpdate(a, number(-1));
      y = g - a.transpose() * least_solution(reduced, vector(-(a * g)), least);
    }
    for (index_t j = 0; j < columns; ++j) system.y(j) = T(by_columns[j] * y[j]);
  }

  /// The least solution of a symmetric system, eigenvalues up to `least` being 0.
  template <class Matrix, class Vector>
  static Vector least_solution(Matrix const& symmetric, Vector const& right,
                               typename Vector::Scalar least) {
    Eigen::SelfAdjointEigenSolver<Matrix> const eigen(symmetric);
    Vector coefficient = eigen.eigenvectors().transpose() * right;
    for (Eigen::Index n = 0; n < coefficient.size(); ++n)
      coefficient[n] = eigen.eigenvalues()[n] > least ? coefficient[n] / eigen.eigenvalues()[n] : 0;
    return eigen.eigenvectors() * coefficient;
  }
};
}  // namespace mlot::MLOT_SET::scalar
