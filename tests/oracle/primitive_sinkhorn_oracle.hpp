#pragma once
#include "oracle/primitive_oracle.hpp"
/// Sinkhorn iterations in logarithms, and their derivative by carrying the derivative of every
/// scaling forward along the iterations: another way than the library's in every step.
namespace oracle {
struct transport {
  matrix plan;
  number distance = 0;
};

/// The iterations and, on the way, the derivatives of log u and log v along `direction` (of C).
class sinkhorn_iterations {
 public:
  sinkhorn_iterations(matrix cost, vector a, vector b, number epsilon)
      : cost_(std::move(cost)), a_(std::move(a)), b_(std::move(b)), epsilon_(epsilon) {}

  /// Answers the derivative of the distance along the unit vector of entry (row, column).
  number run(size iterations, size row, size column) {
    vector f(a_.size(), 0), g(b_.size(), 0), df(a_.size(), 0), dg(b_.size(), 0);
    for (size j = 0; j < b_.size(); ++j)
      if (b_[j] == 0) g[j] = -infinity;  // takes no part from the start
    auto const slope = [&](size i, size j) { return i == row && j == column ? -1 / epsilon_ : 0; };
    for (size r = 0; r < iterations; ++r) {
      for (size i = 0; i < a_.size(); ++i)
        half_step(a_[i], b_.size(), f[i], df[i], [&](size j) {
          return std::pair{g[j] - cost_[i][j] / epsilon_, dg[j] + slope(i, j)};
        });
      for (size j = 0; j < b_.size(); ++j)
        half_step(b_[j], a_.size(), g[j], dg[j], [&](size i) {
          return std::pair{f[i] - cost_[i][j] / epsilon_, df[i] + slope(i, j)};
        });
    }
    result_ = {matrix(a_.size(), vector(b_.size(), 0)), 0};
    number derivative = 0;
    for (size i = 0; i < a_.size(); ++i)
      for (size j = 0; j < b_.size(); ++j) {
        number const p = std::exp(f[i] + g[j] - cost_[i][j] / epsilon_);
        result_.plan[i][j] = p;
        if (p > 0) result_.distance += p * cost_[i][j];
        if (p > 0) derivative += p * (df[i] + dg[j] + slope(i, j)) * cost_[i][j];
        if (i == row && j == column) derivative += p;
      }
    return derivative;
  }
  transport const& result() const { return result_; }

 private:
  /// log of (marginal / sum of exp), and its derivative; a line without mass has none.
  static void half_step(number marginal, size count, number& scaling, number& derivative,
                        auto exponent_and_slope) {
    number top = -infinity, total = 0, slope = 0;
    for (size k = 0; k < count; ++k) top = std::max(top, exponent_and_slope(k).first);
    scaling = -infinity, derivative = 0;
    if (marginal == 0 || top == -infinity) return;
    for (size k = 0; k < count; ++k) {
      auto const [exponent, change] = exponent_and_slope(k);
      number const weight = std::exp(exponent - top);
      total += weight;
      if (weight > 0) slope += weight * change;
    }
    scaling = std::log(marginal) - top - std::log(total);
    derivative = -slope / total;
  }
  matrix cost_;
  vector a_, b_;
  number epsilon_;
  transport result_;
};

inline transport sinkhorn(matrix const& cost, vector const& a, vector const& b, number epsilon,
                          size iterations) {
  sinkhorn_iterations all(cost, a, b, epsilon);
  all.run(iterations, a.size(), b.size());
  return all.result();
}
/// dSD/dC, entry by entry.
inline matrix sinkhorn_gradient(matrix const& cost, vector const& a, vector const& b,
                                number epsilon, size iterations) {
  matrix gradient(a.size(), vector(b.size()));
  sinkhorn_iterations all(cost, a, b, epsilon);
  for (size i = 0; i < a.size(); ++i)
    for (size j = 0; j < b.size(); ++j) gradient[i][j] = all.run(iterations, i, j);
  return gradient;
}
}  // namespace oracle
