#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
namespace mlot::MLOT_SET {
/// The last step of the debiased Sinkhorn divergence: from three problems a sequence to one number.
///
///   out(b) = cross(b) - (teacher_self(b) + student_self(b)) / 2
///   gradient(j, l) = cross_gradient(j, l) - self_gradient(j, l)
///   converged(b) = 1 where all three have converged
///
/// A sequence without tokens on one side is no problem: 0, gradient 0. One rounding an operation:
/// tests/loss/sinkhorn_divergence_test.cpp.
template <real T, class Memory>
struct debiased_transport {
  using memory = Memory;
  problem_batch<Memory> batch{};
  vector_view<T const, Memory> cross{}, teacher_self{}, student_self{};  ///< (B)
  vector_view<index_t const, Memory> has_converged[3]{};                 ///< (B), each
  matrix_view<T const, Memory> cross_gradient{}, self_gradient{};  ///< (column tokens, K), or none
  vector_view<T, Memory> out{};                                    ///< (B) written
  vector_view<index_t, Memory> converged{};                        ///< (B) written, or no memory
  matrix_view<T, Memory> gradient{};  ///< (column tokens, K) written, or no memory

  constexpr status check() const {
    char const* const each = "one element a problem";
    requirement all =
        requirement()
            .also(batch.check("debiased_transport.batch"))
            .vector("debiased_transport.cross", cross, batch.problems(), each)
            .vector("debiased_transport.teacher_self", teacher_self, batch.problems(), each)
            .vector("debiased_transport.student_self", student_self, batch.problems(), each)
            .vector("debiased_transport.out", out, batch.problems(), each)
            .optional("debiased_transport.converged", converged, batch.problems(), each);
    for (auto const& one : has_converged)
      all.vector("debiased_transport.has_converged", one, batch.problems(), each);
    if (gradient.data == nullptr) return all.answer();
    return all
        .matrix("debiased_transport.gradient", gradient, batch.columns, gradient.cols,
                "one row a column token")
        .matrix("debiased_transport.cross_gradient", cross_gradient, batch.columns, gradient.cols,
                "the shape of gradient")
        .matrix("debiased_transport.self_gradient", self_gradient, batch.columns, gradient.cols,
                "the shape of gradient")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
