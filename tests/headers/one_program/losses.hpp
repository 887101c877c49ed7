#pragma once
#include <vector>

#include "mlot/core/compute.hpp"
#include "mlot/divergence/adaptive_kl.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot/loss/divergence_distillation.hpp"
#include "mlot/loss/universal_logit.hpp"

using numbers = std::vector<float>;
/// Terms and gradient of two losses, whose versions for lanes and kernels share no code. Empty
/// where a call fails.
template <class Device>
numbers losses_on(Device device) {
  using namespace mlot;
  index_t const v = 37, ends[] = {0, 3}, labels[] = {1, 5, 9};
  numbers teacher(3 * v), student(3 * v), gradient(3 * v), terms(3), all;
  for (index_t n = 0; n < 3 * v; ++n) {
    teacher[std::size_t(n)] = float(n * n % 17) / 4;
    student[std::size_t(n)] = float(n * n % 11) / 3;
  }
  owned_token_rows tokens;
  if (!tokens.from_offsets({ends, 2}).ok()) return {};
  auto const runs = [&](auto loss) {
    loss.student_logits = {student.data(), 3, v, v};
    loss.student_tokens = tokens;
    loss.labels.label = {labels, 3};
    loss.terms = {terms.data(), 3};
    loss.gradient = {gradient.data(), 3, v, v};
    scratch_buffer scratch;
    if (!compute(device, loss, scratch.for_call(device, loss)).ok()) return false;
    all.insert(all.end(), terms.begin(), terms.end());
    all.insert(all.end(), gradient.begin(), gradient.end());
    return true;
  };
  divergence_distillation<float, adaptive_kl<float>> divergence;
  divergence.teacher = {.logits = {teacher.data(), 3, v, v}, .tokens = tokens};
  universal_logit<float> ranked;
  ranked.teacher_logits = {teacher.data(), 3, v, v};
  ranked.teacher_tokens = tokens;
  return runs(divergence) && runs(ranked) ? all : numbers{};
}
