#pragma once
#include "mlot/cost/squared_difference.hpp"
#include "primitive/sinkhorn_batch.hpp"
namespace kit {
/// Ragged problems between points in space, empty ones and tokens without mass among them: the same
/// cost as a matrix and as tables. What uses a plan is tested with both.
template <class T>
struct finished_transport {
  using memory = mlot::host_memory;
  using ground = mlot::squared_difference;
  using table_cost = mlot::table_cost<T, memory, ground>;
  static constexpr index_t width = 3, no_mass_row = 3, no_mass_column = 2;
  sinkhorn_batch<T> all;
  framed<T> teacher, student;

  static std::vector<std::pair<index_t, index_t>> ragged() {
    return {{9, 14}, {70, 90}, {1, 6}, {5, 1}, {0, 3}, {3, 0}, {33, 65}};
  }
  explicit finished_transport(mlot::sinkhorn_domain domain, index_t rows_kept = 1,
                              layout where = {1, 3, 1},
                              std::vector<std::pair<index_t, index_t>> const& shapes = ragged())
      : all(kit::problems(shapes), 6, rows_kept, where),
        teacher(all.problems.rows(), width, {1, 2, 1}),
        student(all.problems.columns(), width, {1, 1, 2}) {
    random_source random(5);
    auto const coordinate = [&](index_t, index_t) { return T(random.uniform(0, 0.8)); };
    fill(teacher, coordinate);
    fill(student, coordinate);
    all.problems.for_each([&](index_t i, index_t j, index_t b) {
      T sum(0);
      for (index_t l = 0; l < width; ++l) {
        T const d = teacher(i, l) - student(all.problems.view().column_offset(b) + j, l);
        sum += d * d;
      }
      all.cost(i, j) = sum;
    });
    all.draw_marginals(6);
    if (all.problems.rows() > no_mass_row) all.row_marginal(no_mass_row) = T(0);
    if (all.problems.columns() > no_mass_column) all.column_marginal(no_mass_column) = T(0);
    all.domain = domain;
  }
  auto matrix() { return all.primitive(); }
  mlot::sinkhorn<T, memory, table_cost> tables(bool with_plan = true) {
    auto const p = matrix();
    return {.batch = p.batch,
            .cost = {.teacher = teacher.matrix(), .student = student.matrix()},
            .row_marginal = p.row_marginal,
            .column_marginal = p.column_marginal,
            .epsilon = p.epsilon,
            .iterations = p.iterations,
            .tolerance = p.tolerance,
            .domain = p.domain,
            .history = p.history,
            .plan = with_plan ? p.plan : mlot::host::matrix<T>(),
            .distance = p.distance};
  }
};
inline constexpr mlot::sinkhorn_domain both_domains[] = {mlot::sinkhorn_domain::scaling,
                                                         mlot::sinkhorn_domain::logarithmic};
}  // namespace kit
