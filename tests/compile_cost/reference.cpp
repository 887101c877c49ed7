// Compiles in a fixed time: what the others take is told as a share of it.
#include <Eigen/Dense>
Eigen::VectorXf solve(Eigen::MatrixXf const& a, Eigen::VectorXf const& b) {
  return a.llt().solve(b);
}
