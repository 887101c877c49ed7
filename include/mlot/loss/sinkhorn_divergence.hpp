#pragma once
#include <cmath>
#include <tuple>
#include <utility>

#include "mlot/cost/squared_difference.hpp"
#include "mlot/loss/table_transport.hpp"
#include "mlot/primitive/debiased_transport.hpp"
namespace mlot::MLOT_SET {
/// The debiased Sinkhorn divergence between the tokens of two tables, sequence by sequence:
///
///   S = F(t, s) - (F(t, t) + F(s, s)) / 2,   F = min <P, C> + epsilon KL(P | a b^T)
///
/// 0 for equal tables and at least 0 where exp(-C / epsilon) is a positive definite kernel (as for
/// both of this library's ground costs), where F(t, s) itself is smallest for a blurred s. The
/// ground cost has to be symmetric. F is taken as the dual value: its error is of second order in
/// that of the marginals. The gradient is the envelope's, of first order in it.
/// Totals of a and b must agree (host memory: fault::data beyond 1e-3 of them); ones do for
/// sequences of one length. A sequence without tokens on one side: 0. [S] = [epsilon] = [cost].
/// Accuracy at convergence: double 1e-9, float 1e-4 absolute for costs of order 1, against long
/// double, and central differences for the gradient: tests/loss/sinkhorn_divergence_test.cpp.
/// Source: Feydy et al., Interpolating between optimal transport and MMD (AISTATS 2019).
template <real T, class Memory = host_memory, class Ground = squared_difference>
struct sinkhorn_divergence {
  using memory = Memory;
  matrix_view<T const, Memory> teacher{};        ///< (row tokens, K) t
  matrix_view<T const, Memory> student{};        ///< (column tokens, K) s
  problem_batch<Memory> batch{};                 ///< rows: teacher tokens, columns: student tokens
  index_t longest_column = 0;                    ///< most teacher tokens that a sequence has
  one_or_each<T, Memory> row_marginal{T(1)};     ///< a: one, or (row tokens) each, at least 0
  one_or_each<T, Memory> column_marginal{T(1)};  ///< b: one, or (column tokens) each
  T epsilon = T(0.1);                            ///< above 0
  index_t iterations = 1000;                     ///< at most, at least 1
  T tolerance = T(1e-3);                         ///< as sinkhorn's
  index_t cost_memory = index_t(1) << 31;        ///< as multi_level_options'
  vector_view<T, Memory> divergence{};           ///< (B) written: S
  vector_view<index_t, Memory> converged{};   ///< (B) written, or no memory: 1 where all three have
  one_or_each<T, Memory> weight{T(1)};        ///< of the gradient: one, or (B) each
  matrix_view<T, Memory> student_gradient{};  ///< (column tokens, K) written, or no memory: dS/ds
  [[no_unique_address]] Ground ground{};

  problem_batch<Memory> teacher_batch() const {
    return {batch.row_offset, batch.row_offset, batch.rows, batch.rows, longest_column};
  }
  problem_batch<Memory> student_batch() const {
    return {batch.column_offset, batch.column_offset, batch.columns, batch.columns,
            batch.longest_row};
  }
  constexpr status check() const {
    char const* const each = "one element a problem";
    requirement all;
    all.also(batch.check("sinkhorn_divergence.batch"));
    all.also(teacher_batch().check("sinkhorn_divergence.longest_column"))
        .matrix("sinkhorn_divergence.teacher", teacher, batch.rows, teacher.cols,
                "one row a row token")
        .matrix("sinkhorn_divergence.student", student, batch.columns, teacher.cols,
                "one row a column token, as many columns as teacher")
        .each("sinkhorn_divergence.row_marginal", row_marginal, batch.rows,
              "one element a row token")
        .each("sinkhorn_divergence.column_marginal", column_marginal, batch.columns,
              "one element a column token")
        .temperature("sinkhorn_divergence.epsilon", epsilon)
        .at_least("sinkhorn_divergence.iterations", iterations, 1, "at least 1")
        .non_negative("sinkhorn_divergence.tolerance", tolerance)
        .at_least("sinkhorn_divergence.cost_memory", cost_memory, 0, "at least 0")
        .vector("sinkhorn_divergence.divergence", divergence, batch.problems(), each)
        .optional("sinkhorn_divergence.converged", converged, batch.problems(), each)
        .weights("sinkhorn_divergence.weight", weight, batch.problems(), each)
        .optional("sinkhorn_divergence.student_gradient", student_gradient, batch.columns,
                  student.cols, "the shape of student");
    return all.also(check_totals(all.answer().ok())).answer();
  }

 private:
  constexpr status check_totals(bool readable) const {
    if constexpr (std::is_same_v<Memory, host_memory>)
      for (index_t b = 0; readable && b < batch.problems(); ++b) {
        if (batch.row_count(b) == 0 || batch.column_count(b) == 0) continue;
        double a = 0, of_columns = 0;
        for (index_t i = batch.row_offset(b); i < batch.row_offset(b + 1); ++i)
          a += as_double(row_marginal(i));
        for (index_t j = batch.column_offset(b); j < batch.column_offset(b + 1); ++j)
          of_columns += as_double(column_marginal(j));
        if (std::abs(a - of_columns) > 1e-3 * of_columns)
          return {fault::data, "sinkhorn_divergence.row_marginal",
                  "marginals with the total of column_marginal's", a, b};
      }
    return {};
  }
};

namespace detail {
inline constexpr renaming sinkhorn_divergence_names[] = {
    {"sinkhorn.row_marginal", "sinkhorn_divergence.row_marginal"},
    {"sinkhorn.column_marginal", "sinkhorn_divergence.column_marginal"},
    {}};
}  // namespace detail

template <class Device, real T, class Ground>
void list_steps(pipeline<Device>& steps,
                sinkhorn_divergence<T, typename Device::memory, Ground> const& p) {
  using memory = typename Device::memory;
  debiased_transport<T, memory> last{.batch = p.batch,
                                     .out = p.divergence,
                                     .converged = p.converged,
                                     .gradient = p.student_gradient};
  bool const backward = p.student_gradient.data != nullptr;
  int problem = 0;
  auto const transport = [&](matrix_view<T const, memory> from, matrix_view<T const, memory> to,
                             problem_batch<memory> const& batch, one_or_each<T, memory> const& a,
                             one_or_each<T, memory> const& b, bool differentiates) {
    auto const gradient = differentiates ? steps.template matrix<T>(batch.columns, to.cols)
                                         : matrix_view<T, memory>{};
    auto const dual = steps.template vector<T>(batch.problems());
    auto const converged = steps.template vector<index_t>(batch.problems());
    last.has_converged[problem++] = converged;
    detail::table_transport<T, Device, Ground, T, derivative::envelope>{
        .teacher = from,
        .student = to,
        .batch = batch,
        .row_marginal = a,
        .column_marginal = b,
        .epsilon = p.epsilon,
        .iterations = p.iterations,
        .tolerance = p.tolerance,
        .cost_memory = p.cost_memory,
        .distance = steps.template vector<T>(batch.problems()),
        .report = {.converged = converged, .dual = dual},
        .weight = p.weight,
        .backward = differentiates,
        .student_gradient = gradient,
        .ground = p.ground}
        .list(steps);
    return std::pair{dual, gradient};
  };
  std::tie(last.cross, last.cross_gradient) =
      transport(p.teacher, p.student, p.batch, p.row_marginal, p.column_marginal, backward);
  steps.rename(detail::sinkhorn_divergence_names);
  last.teacher_self =
      transport(p.teacher, p.teacher, p.teacher_batch(), p.row_marginal, p.row_marginal, false)
          .first;
  // s is on both sides of F(s, s): twice the gradient of one side, and half of that.
  std::tie(last.student_self, last.self_gradient) = transport(
      p.student, p.student, p.student_batch(), p.column_marginal, p.column_marginal, backward);
  steps.step(last);
}
}  // namespace mlot::MLOT_SET
