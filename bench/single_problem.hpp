#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mlot/interop/owned.hpp>
#include <mlot/simd.hpp>
#include <vector>

#include "timing.hpp"
namespace bench {
/// One transport problem with a given cost, b = 1, and all that its Sinkhorn iterations write.
template <class Number>
class single_problem {
 public:
  std::vector<Number> plan, cost_gradient;  ///< (rows, columns)
  Number distance = 0;
  index_t logarithmic = 0;

  single_problem(index_t rows, index_t columns, std::vector<Number> cost, double epsilon,
                 index_t iterations)
      : plan(cost.size()),
        cost_gradient(cost.size()),
        rows_{0, rows},
        columns_{0, columns},
        cost_(std::move(cost)),
        row_scaling_(std::size_t(iterations * rows)),
        column_scaling_(std::size_t(iterations * columns)),
        epsilon_(Number(epsilon)),
        iterations_(iterations) {}

  template <class Device>
  void forward(Device device) {
    auto const p = primitive();
    require(compute(device, p, scratch_.for_call(device, p)));
  }
  /// After forward().
  template <class Device>
  void backward(Device device) {
    mlot::sinkhorn_gradient<Number, mlot::host_memory> const p{
        .of = primitive(), .cost_gradient = matrix(cost_gradient.data())};
    require(compute(device, p, scratch_.for_call(device, p)));
  }

  /// After forward(). The last half step decides: the columns of the plan sum to 1 after any number
  /// of iterations, to the rounding of exponents as large as C / epsilon.
  void require_column_sums() const {
    auto sum = std::vector<double>(std::size_t(columns_[1]));
    for (std::size_t i = 0; i < plan.size(); ++i) sum[i % sum.size()] += double(plan[i]);
    Number const largest = *std::max_element(cost_.begin(), cost_.end());
    double const exponent = double(largest / epsilon_);
    double const allowed = (100 + 4 * exponent) * double(std::numeric_limits<Number>::epsilon());
    for (double const s : sum)
      require(std::fabs(s - 1) <= allowed, "sinkhorn: a column of the plan does not sum to 1");
  }
  /// The simd device against the scalar one.
  void require_agreement() {
    forward(mlot::on::scalar{});
    backward(mlot::on::scalar{});
    auto const wanted_plan = plan, wanted_gradient = cost_gradient;
    std::fill(plan.begin(), plan.end(), Number(0));
    std::fill(cost_gradient.begin(), cost_gradient.end(), Number(0));
    forward(mlot::on::simd<>{});
    backward(mlot::on::simd<>{});
    double const allowed = std::is_same_v<Number, float> ? 2e-5 : 1e-10;
    require(relative_difference(plan, wanted_plan) <= allowed &&
                relative_difference(cost_gradient, wanted_gradient) <= allowed,
            "sinkhorn: the simd device disagrees with the scalar one");
  }

 private:
  std::array<index_t, 2> rows_, columns_;
  std::vector<Number> cost_, row_scaling_, column_scaling_;
  Number epsilon_;
  index_t iterations_;
  mlot::scratch_buffer scratch_;

  template <class T>
  mlot::host::matrix<T> matrix(T* data) const {
    return {data, rows_[1], columns_[1], columns_[1]};
  }
  mlot::sinkhorn<Number, mlot::host_memory> primitive() {
    return {.batch = {.row_offset = {rows_.data(), 2},
                      .column_offset = {columns_.data(), 2},
                      .rows = rows_[1],
                      .columns = columns_[1],
                      .longest_row = columns_[1]},
            .cost = matrix(cost_.data()),
            .epsilon = epsilon_,
            .iterations = iterations_,
            .history = {.row_scaling = {row_scaling_.data(), iterations_, rows_[1], rows_[1]},
                        .column_scaling = {column_scaling_.data(), iterations_, columns_[1],
                                           columns_[1]},
                        .logarithmic = {&logarithmic, 1}},
            .plan = matrix(plan.data()),
            .distance = {&distance, 1}};
  }
};
}  // namespace bench
