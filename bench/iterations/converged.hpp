#pragma once
#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <utility>

#include "costs.hpp"
/// What infinitely many Sinkhorn iterations give, by code that the library has no part in.
namespace bench {
struct converged {
  matrix plan, cost_gradient;  ///< P and dSD/dC, SD = <P, C>
  double distance = 0;
  double marginal_error = 0;  ///< largest relative error of a row or column sum
  bool reached = false;       ///< marginal_error below 1e-12; nothing is to be compared otherwise
};

/// [diag(P 1) P; P^T diag(P^T 1)] [x; y] = [r; c] with the last y = 0, by the Schur complement of
/// the first block. Both the Hessian of the dual problem and the implicit gradient are this system.
/// The complement is a graph's Laplacian: its diagonal is a sum, so that it stays positive where
/// the plan is nearly a permutation.
inline std::pair<Eigen::VectorXd, Eigen::VectorXd> solve_coupled(matrix const& plan,
                                                                 Eigen::VectorXd const& r,
                                                                 Eigen::VectorXd const& c) {
  Eigen::VectorXd const rows = plan.rowwise().sum();
  matrix const shares = rows.cwiseInverse().asDiagonal() * plan;
  matrix links = plan.transpose() * shares;
  links.diagonal().setZero();
  Eigen::VectorXd const degree = links.rowwise().sum();
  matrix laplacian = -links;
  laplacian.diagonal() = degree;
  Eigen::Index const n = plan.cols() - 1;
  Eigen::VectorXd y = Eigen::VectorXd::Zero(n + 1);
  y.head(n) = laplacian.topLeftCorner(n, n).ldlt().solve((c - shares.transpose() * r).head(n));
  return {(r - plan * y).cwiseQuotient(rows), y};
}

/// P = exp(f_i + g_j - C/epsilon) with row sums a = columns/rows and column sums 1.
class dual {
 public:
  explicit dual(matrix const& cost)
      : cost_(cost),
        a_(double(cost.cols()) / double(cost.rows())),
        f_(Eigen::VectorXd::Zero(cost.rows())),
        g_(Eigen::VectorXd::Zero(cost.cols())) {}

  /// Goes on from the potentials of another epsilon.
  void set_epsilon(double epsilon) {
    exponent_ = cost_ / -epsilon;
    f_ *= epsilon_ / epsilon;
    g_ *= epsilon_ / epsilon;
    epsilon_ = epsilon;
  }
  void sinkhorn_step() {
    matrix e = exponent_.rowwise() + g_.transpose();
    f_ = -e.rowwise().maxCoeff();
    f_.array() += std::log(a_) - (e.colwise() + f_).array().exp().rowwise().sum().log();
    e = exponent_.colwise() + f_;
    g_ = -e.colwise().maxCoeff().transpose();
    g_.array() -= (e.rowwise() + g_.transpose()).array().exp().colwise().sum().log().transpose();
  }
  /// Newton's step, halved until the sums come nearer.
  void newton_step() {
    matrix const before = plan();
    Eigen::VectorXd const r = row_gap(before), c = column_gap(before);
    auto const [df, dg] = solve_coupled(before, r, c);
    Eigen::VectorXd const f = f_, g = g_;
    for (double part = 1; part > 1e-4; part /= 2) {
      f_ = f + part * df;
      g_ = g + part * dg;
      matrix const after = plan();
      if (row_gap(after).squaredNorm() + column_gap(after).squaredNorm() <
          r.squaredNorm() + c.squaredNorm())
        return;
    }
    f_ = f;
    g_ = g;
  }
  matrix plan() const {
    return ((exponent_.colwise() + f_).rowwise() + g_.transpose()).array().exp();
  }
  double marginal_error() const {
    matrix const p = plan();
    return std::max(row_gap(p).cwiseAbs().maxCoeff() / a_, column_gap(p).cwiseAbs().maxCoeff());
  }

 private:
  matrix const& cost_;
  double a_, epsilon_ = 1;
  matrix exponent_;
  Eigen::VectorXd f_, g_;

  Eigen::VectorXd row_gap(matrix const& p) const { return a_ - p.rowwise().sum().array(); }
  Eigen::VectorXd column_gap(matrix const& p) const {
    return 1 - p.colwise().sum().transpose().array();
  }
};

/// Sinkhorn's and Newton's steps by turns; epsilon is halved down to the one asked for, so that
/// Newton always begins near its end.
inline converged solve(matrix const& cost, double epsilon) {
  dual problem(cost);
  converged out;
  double larger = 1;
  do {
    larger = std::max(epsilon, larger / 2);
    problem.set_epsilon(larger);
    for (int turn = 0; turn < 50; ++turn) {
      for (int i = 0; i < 5; ++i) problem.sinkhorn_step();
      problem.newton_step();
      out.marginal_error = problem.marginal_error();
      if (out.marginal_error < 1e-12) break;
    }
  } while (larger > epsilon);
  out.reached = out.marginal_error < 1e-12;
  out.plan = problem.plan();
  matrix const moved = out.plan.cwiseProduct(cost);
  out.distance = moved.sum();
  auto const [x, y] = solve_coupled(out.plan, moved.rowwise().sum(), moved.colwise().sum());
  matrix const slope = ((-cost).colwise() + x).rowwise() + y.transpose();
  out.cost_gradient = out.plan + slope.cwiseProduct(out.plan) / epsilon;
  return out;
}
}  // namespace bench
