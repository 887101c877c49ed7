#pragma once
#include "distill/course.hpp"
namespace experiments {
/// One sequence of so many student tokens: the loss with its gradient, on one thread.
struct long_sequence {
  distill::index_t teacher_tokens = 0, student_tokens = 0;
  double cross_entropy_seconds = 0;  ///< the engine's own, with its gradient
  double seconds = 0, streamed_seconds = 0;
  double bytes = 0, streamed_bytes = 0;  ///< beside logits and gradient
};

/// Held-out segments joined to sequences; medians of repeated calls. Streamed: no cost matrix is
/// kept. Tells `done` of every length.
std::vector<long_sequence> measure_lengths(distill::corpus const& text, bool quick,
                                           distill::account& done);
}  // namespace experiments
