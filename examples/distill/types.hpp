#pragma once
// Students train side by side, each on one thread: no threads within a product.
#ifndef EIGEN_DONT_PARALLELIZE
#  define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
/// The few types that every part of the example shares.
namespace distill {
using index_t = std::int64_t;  ///< as in mlot, so that its views borrow our arrays as they are
using token = std::int32_t;

/// Row-major, as every logits matrix of this example: a row is one token.
template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using row_vector = Eigen::Matrix<T, 1, Eigen::Dynamic>;
/// A borrowed block of whole rows.
template <class T>
using matrix_ref = Eigen::Ref<matrix<T>, 0, Eigen::OuterStride<>>;

/// The user can mend this: the command line prints it as one line and exits with 2.
struct user_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace distill
