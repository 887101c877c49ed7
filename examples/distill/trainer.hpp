#pragma once
#include <functional>

#include "distill/adam.hpp"
#include "distill/logit_source.hpp"
#include "distill/mlot_step.hpp"
#include "distill/student.hpp"
namespace distill {
enum class objective { cross_entropy, distilled };

struct training_options {
  index_t epochs = 10;
  index_t batch_segments = 16;
  double rate = 6e-3;  ///< Adam's, falling linearly to 0 over the run
  index_t width = 64, window = 4, hidden = 192;
  loss_options loss;

  bool operator==(training_options const&) const = default;
};

/// What students learn from and are judged by, encoded by both tokenizers.
struct training_data {
  std::vector<sample> train, held_out;
  index_t student_vocabulary = 0;
  token student_start = 0;
};

struct epoch_record {
  double train_bits = 0;     ///< bits per byte while training, before each step
  double held_out_bits = 0;  ///< bits per byte of held-out text after the epoch
  loss_terms held_out;       ///< a held-out student token
};

/// Seconds of all training steps, by where they went; evaluation is not counted.
struct time_record {
  double student = 0, teacher = 0, loss = 0;
  index_t steps = 0;
  double all() const { return student + teacher + loss; }
};

struct run_record {
  std::vector<epoch_record> epochs;
  time_record time;
};

/// One student trained on one objective. The seed fixes its first weights and the order of the
/// data, so runs of one seed differ in the objective alone; and it fixes every bit of the result.
class trainer {
 public:
  trainer(training_data const& data, logit_source const& teacher, training_options const& options,
          objective goal, std::uint64_t seed);

  /// `after_epoch` is told of every epoch.
  run_record run(std::function<void(epoch_record const&)> const& after_epoch);
  distill::student<float>& student() { return student_; }

 private:
  double step(batch const& b, double rate, time_record& time);
  void evaluate(epoch_record& out);
  void teach(batch const& b);

  training_data const& data_;
  logit_source const& teacher_;
  training_options options_;
  objective goal_;
  std::mt19937_64 order_;
  distill::student<float> student_;
  adam<float> adam_;
  mlot_step<float> distillation_;
  matrix<float> student_logits_, teacher_logits_, gradient_;
};
}  // namespace distill
