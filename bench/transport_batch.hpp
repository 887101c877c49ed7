#pragma once
#include "measure.hpp"
namespace bench {
/// A ragged batch of transport problems, each side of each problem of a random length. One problem
/// of one length is shortest = longest = T.
struct transport_shape {
  index_t problems = 1, shortest = 1, longest = 1;
  mlot::sinkhorn_domain domain = mlot::sinkhorn_domain::automatic;
  double epsilon = 0.1;
  bool operator==(transport_shape const&) const = default;
};

/// Random tables of 50 probabilities, and the steps from them to the student's gradient with the
/// arrays that they read and write. The paper's N = 20.
template <class T>
struct transport_batch {
  using memory = mlot::host_memory;
  static constexpr index_t iterations = 20, k = 50;
  mlot::sinkhorn_domain domain;
  T epsilon;
  array<index_t> row_offset, column_offset;
  index_t rows = row_offset.back(), columns = column_offset.back(), longest;
  array<T> teacher = random_probabilities<T>(rows, k, 1);
  array<T> student = random_probabilities<T>(columns, k, 2);
  array<T> cost = array<T>(rows * longest), plan = cost;
  array<T> row_scaling = array<T>(iterations * rows);
  array<T> column_scaling = array<T>(iterations * columns);
  array<index_t> logarithmic = array<index_t>(row_offset.size() - 1);
  array<T> distance = array<T>(logarithmic.size());
  array<T> student_gradient = array<T>(columns * k);

  explicit transport_batch(transport_shape const& s)
      : domain(s.domain),
        epsilon(T(s.epsilon)),
        row_offset(random_offsets(s, 3)),
        column_offset(random_offsets(s, 4)),
        longest(s.longest) {}

  mlot::pairwise_cost<T, memory> costs() {
    return {.teacher = view(teacher, rows, k),
            .student = view(student, columns, k),
            .batch = {.row_offset = view(row_offset),
                      .column_offset = view(column_offset),
                      .rows = rows,
                      .columns = columns,
                      .longest_row = longest},
            .cost = view(cost, rows, longest)};
  }
  mlot::sinkhorn<T, memory> forward() {
    return {.batch = costs().batch,
            .cost = view(cost, rows, longest),
            .epsilon = epsilon,
            .iterations = iterations,
            .domain = domain,
            .history = {.row_scaling = view(row_scaling, iterations, rows),
                        .column_scaling = view(column_scaling, iterations, columns),
                        .logarithmic = view(logarithmic)},
            .plan = view(plan, rows, longest),
            .distance = view(distance)};
  }
  /// In the memory of the plan, as in the loss.
  mlot::sinkhorn_gradient<T, memory> backward() {
    return {.of = forward(), .cost_gradient = view(plan, rows, longest)};
  }
  mlot::pairwise_cost_gradient<T, memory> costs_backward() {
    return {.of = costs(),
            .upstream = view(plan, rows, longest),
            .student_gradient = view(student_gradient, columns, k)};
  }
  /// Entries of all cost matrices.
  index_t entries() const {
    index_t all = 0;
    for (std::size_t b = 0; b + 1 < row_offset.size(); ++b)
      all += (row_offset[b + 1] - row_offset[b]) * (column_offset[b + 1] - column_offset[b]);
    return all;
  }

 private:
  static array<index_t> random_offsets(transport_shape const& s, unsigned seed) {
    std::mt19937 random(seed);
    array<index_t> offset(1);
    for (index_t b = 0; b < s.problems; ++b)
      offset.push_back(offset.back() + s.shortest + random() % (s.longest - s.shortest + 1));
    return offset;
  }
};
}  // namespace bench
