#include "distill/gradient_check.hpp"

#include <algorithm>
#include <cmath>

#include "distill/student.hpp"

namespace distill {
gradient_report check_gradient(loss_options const& options, index_t probes, std::uint64_t seed) {
  constexpr student_shape shape = {.vocabulary = 61, .width = 8, .window = 3, .hidden = 12};
  bool const one_vocabulary = facts_of(options.kind).one_vocabulary;
  index_t const teacher_vocabulary = one_vocabulary ? shape.vocabulary : index_t(83);
  std::mt19937_64 random(seed);
  auto const sequence = [&](int length, index_t vocabulary) {
    std::vector<token> out;
    for (int t = 0; t < length; ++t) out.push_back(token(random() % std::uint64_t(vocabulary)));
    return out;
  };
  batch b;
  for (auto const& [teacher, student] : {std::pair(7, 9), std::pair(5, 3), std::pair(1, 1)})
    b.append({sequence(one_vocabulary ? student : teacher, teacher_vocabulary),
              sequence(student, shape.vocabulary)});

  std::normal_distribution<double> normal;
  matrix<float> teacher_logits(b.teacher.size(), teacher_vocabulary);
  for (float& z : teacher_logits.reshaped()) z = float(2 * normal(random));

  student<double> model(shape, 0, seed);
  for (double& value : model.learned().values()) value += 0.3 * normal(random);
  mlot_step<double> loss(options);
  matrix<double> logits, logit_gradient;
  auto const total = [&](matrix<double>* gradient) {
    model.forward(b.student, logits);
    return loss(teacher_logits, logits, b, gradient).total;
  };
  total(&logit_gradient);
  model.backward(logit_gradient);

  gradient_report out;
  double largest_gradient = 0, largest_difference = 0;
  for (index_t i = 0; i < probes; ++i) {
    std::size_t const at = random() % model.learned().values().size();
    double& parameter = model.learned().values()[at];
    double const kept = parameter, step = 1e-6;
    parameter = kept + step;
    double const above = total(nullptr);
    parameter = kept - step;
    double const below = total(nullptr);
    parameter = kept;
    gradient_probe const probe = {index_t(at), model.learned().gradients()[at],
                                  (above - below) / (2 * step)};
    largest_gradient = std::max(largest_gradient, std::abs(probe.analytic));
    largest_difference = std::max(largest_difference, std::abs(probe.analytic - probe.numeric));
    out.probes.push_back(probe);
  }
  out.largest_error = largest_gradient > 0 ? largest_difference / largest_gradient : 0;
  return out;
}
}  // namespace distill
