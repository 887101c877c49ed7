#pragma once
#include "inputs.hpp"
#include "memory.cuh"
#include "mlot/mlot.cuh"
#include "mlot/mlot.hpp"
namespace bench {
/// From tables of 50 probabilities to the Sinkhorn distance and back to the student's table: the
/// paper's N = 20, problems of these shapes.
template <class Memory>
class transport {
 public:
  static constexpr index_t k = 50, iterations = 20;

  transport(std::vector<index_t> const& rows, std::vector<index_t> const& columns)
      : row_ends_(ends_of(rows)),
        column_ends_(ends_of(columns)),
        longest_(*std::max_element(columns.begin(), columns.end())),
        teacher_(table(rows_, 1)),
        student_(table(columns_, 2)) {}

  /// Calls visit(name, primitive) for each step there and back.
  template <class Visit>
  void for_each(Visit visit) {
    mlot::pairwise_cost<float, Memory> const costs{
        .teacher = teacher_.matrix(rows_),
        .student = student_.matrix(columns_),
        .batch = {.row_offset = row_offset_.vector(),
                  .column_offset = column_offset_.vector(),
                  .rows = rows_,
                  .columns = columns_,
                  .longest_row = longest_},
        .cost = cost_.matrix(rows_)};
    mlot::sinkhorn<float, Memory> const forward{
        .batch = costs.batch,
        .cost = costs.cost,
        .iterations = iterations,
        .history = {.row_scaling = row_scaling_.matrix(iterations),
                    .column_scaling = column_scaling_.matrix(iterations),
                    .logarithmic = logarithmic_.vector()},
        .plan = plan_.matrix(rows_),
        .distance = distance_.vector()};
    visit("pairwise_cost", costs);
    visit("sinkhorn", forward);
    visit("sinkhorn_gradient", mlot::sinkhorn_gradient<float, Memory>{
                                   .of = forward, .cost_gradient = cost_gradient_.matrix(rows_)});
    visit("pairwise_cost_gradient", mlot::pairwise_cost_gradient<float, Memory>{
                                        .of = costs,
                                        .upstream = cost_gradient_.matrix(rows_),
                                        .student_gradient = student_gradient_.matrix(columns_)});
  }
  /// Calls visit(name, array) for what they wrote.
  template <class Visit>
  void for_each_result(Visit visit) const {
    visit("distance", distance_), visit("student_gradient", student_gradient_);
  }
  /// Of all its arrays that grow with rows times columns.
  double bytes() const { return 3 * double(cost_.bytes()); }

 private:
  std::vector<index_t> row_ends_, column_ends_;
  index_t rows_ = row_ends_.back(), columns_ = column_ends_.back(), longest_;
  index_t problems_ = index_t(row_ends_.size()) - 1;
  array_in<index_t, Memory> row_offset_{row_ends_}, column_offset_{column_ends_};
  array_in<float, Memory> teacher_, student_;
  array_in<float, Memory> cost_{rows_ * longest_}, plan_{rows_ * longest_},
      cost_gradient_{rows_ * longest_};
  array_in<float, Memory> row_scaling_{iterations * rows_}, column_scaling_{iterations * columns_};
  array_in<index_t, Memory> logarithmic_{problems_};
  array_in<float, Memory> distance_{problems_}, student_gradient_{columns_ * k};

  static std::vector<index_t> ends_of(std::vector<index_t> const& lengths) {
    std::vector<index_t> ends{0};
    for (index_t const n : lengths) ends.push_back(ends.back() + n);
    return ends;
  }
  static std::vector<float> table(index_t rows, unsigned seed) {
    auto const all = random_probabilities<float>(rows, k, seed);
    return {all.begin(), all.end()};
  }
};
}  // namespace bench
