#include "experiments/lengths.hpp"

#include "distill/cross_entropy.hpp"
#include "distill/encoding.hpp"
#include "distill/schedule.hpp"
#include "timing.hpp"

namespace experiments {
using namespace distill;
namespace {
/// Segments one after the other until the student has `tokens` of them.
batch joined(std::vector<sample> const& text, distill::index_t tokens) {
  sample whole;
  for (sample const& s : text) {
    if (distill::index_t(whole.student.size()) >= tokens) break;
    whole.teacher.insert(whole.teacher.end(), s.teacher.begin(), s.teacher.end());
    whole.student.insert(whole.student.end(), s.student.begin(), s.student.end());
    whole.bytes += s.bytes;
  }
  if (distill::index_t(whole.student.size()) < tokens)
    throw user_error("--corpus: too small for a sequence of " + std::to_string(tokens) +
                     " tokens; leave the table lengths out");
  whole.student.resize(std::size_t(tokens));
  batch out;
  out.append(whole);
  return out;
}

double median_seconds(double least, auto const& body) {
  return bench::median_time(least, body).seconds;
}
}  // namespace

std::vector<long_sequence> measure_lengths(corpus const& text, bool quick, account& done) {
  course_options options;
  options.train_segments = quick ? 48 : 1200;
  options.held_out_segments = 48;
  if (quick) options.teacher_tokenizer.pieces = 400, options.student_tokenizer.pieces = 200;
  course const from = prepare(text, options, done);
  training_options training;
  training.epochs = 1;
  trainer learned(from.data, from.teacher, training, objective::cross_entropy, 1);
  learned.run([](epoch_record const&) {});

  loss_options kept;
  kept.device = available(loss_device::simd) ? loss_device::simd : loss_device::scalar;
  loss_options streamed = kept;
  streamed.cost_memory = 0;
  std::vector<long_sequence> out;
  auto const lengths = quick ? std::vector<distill::index_t>{64, 128}
                             : std::vector<distill::index_t>{512, 1024, 2048, 4096, 8192};
  for (distill::index_t const tokens : lengths) {
    batch const b = joined(from.data.train, tokens);
    matrix<float> student_logits, gradient,
        teacher_logits(b.teacher.size(), from.teacher.vocabulary());
    from.teacher.logits(b.teacher[0], teacher_logits);
    learned.student().forward(b.student, student_logits);
    long_sequence one = {.teacher_tokens = b.teacher.size(), .student_tokens = tokens};
    for_each_job(1, 1, [&](distill::index_t) {  // there mlot is given one thread
      double const least = quick ? 0 : 0.5;
      one.cross_entropy_seconds =
          median_seconds(least, [&] { cross_entropy(student_logits, b.student.tokens, gradient); });
      mlot_step<float> with_matrix(kept), without(streamed);
      one.seconds =
          median_seconds(least, [&] { with_matrix(teacher_logits, student_logits, b, &gradient); });
      one.streamed_seconds =
          median_seconds(least, [&] { without(teacher_logits, student_logits, b, &gradient); });
      one.bytes = double(with_matrix.scratch_bytes());
      one.streamed_bytes = double(without.scratch_bytes());
    });
    done.line("loss", "%d tokens: %.3g s, without a cost matrix %.3g s", int(tokens), one.seconds,
              one.streamed_seconds);
    out.push_back(one);
  }
  return out;
}
}  // namespace experiments
