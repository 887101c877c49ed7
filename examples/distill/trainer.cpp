#include "distill/trainer.hpp"

#include <algorithm>
#include <numbers>
#include <numeric>

#include "distill/cross_entropy.hpp"
#include "distill/stopwatch.hpp"

namespace distill {
namespace {
double bits_per_byte(double nats, index_t bytes) {
  return nats / (std::numbers::ln2 * double(bytes));
}
}  // namespace

trainer::trainer(training_data const& data, logit_source const& teacher,
                 training_options const& options, objective goal, std::uint64_t seed)
    : data_(data),
      teacher_(teacher),
      options_(options),
      goal_(goal),
      order_(seed),
      student_({data.student_vocabulary, options.width, options.window, options.hidden},
               data.student_start, seed),
      adam_(index_t(student_.learned().values().size())),
      distillation_(options.loss) {}

run_record trainer::run(std::function<void(epoch_record const&)> const& after_epoch) {
  run_record out;
  std::vector<std::size_t> order(data_.train.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::size_t const size = std::size_t(options_.batch_segments);
  index_t const steps = options_.epochs * index_t((order.size() + size - 1) / size);

  batch b;
  for (index_t epoch = 0; epoch < options_.epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), order_);
    epoch_record record;
    double nats = 0;
    index_t bytes = 0;
    for (std::size_t first = 0; first < order.size(); first += size) {
      b.clear();
      for (std::size_t i = first; i < std::min(first + size, order.size()); ++i)
        b.append(data_.train[order[i]]);
      double const rate = options_.rate * (1 - double(out.time.steps) / double(steps));
      nats += step(b, rate, out.time);
      bytes += b.bytes;
    }
    record.train_bits = bits_per_byte(nats, bytes);
    evaluate(record);
    out.epochs.push_back(record);
    after_epoch(record);
  }
  return out;
}

/// Answers the cross-entropy of the batch in nats.
double trainer::step(batch const& b, double rate, time_record& time) {
  stopwatch watch;
  student_.forward(b.student, student_logits_);
  time.student += watch.lap();

  double cross_entropy_per_token = 0;
  if (goal_ == objective::distilled) {
    teach(b);
    time.teacher += watch.lap();
    cross_entropy_per_token =
        distillation_(teacher_logits_, student_logits_, b, &gradient_).cross_entropy;
  } else {
    cross_entropy_per_token = cross_entropy(student_logits_, b.student.tokens, gradient_);
  }
  time.loss += watch.lap();

  student_.backward(gradient_);
  adam_.step(student_.learned(), rate);
  time.student += watch.lap();
  ++time.steps;
  return cross_entropy_per_token * double(b.student.size());
}

void trainer::teach(batch const& b) {
  teacher_logits_.resize(b.teacher.size(), teacher_.vocabulary());
  for (index_t i = 0; i < b.teacher.sequences(); ++i)
    teacher_.logits(b.teacher[i], teacher_logits_.middleRows(b.teacher.offset[std::size_t(i)],
                                                             b.teacher.count(i)));
}

void trainer::evaluate(epoch_record& out) {
  index_t bytes = 0, tokens = 0;
  std::size_t const size = std::size_t(options_.batch_segments);
  batch b;
  loss_terms sum;
  for (std::size_t first = 0; first < data_.held_out.size(); first += size) {
    b.clear();
    for (std::size_t i = first; i < std::min(first + size, data_.held_out.size()); ++i)
      b.append(data_.held_out[i]);
    student_.forward(b.student, student_logits_);
    teach(b);
    sum.add(distillation_(teacher_logits_, student_logits_, b, nullptr), double(b.student.size()));
    bytes += b.bytes;
    tokens += b.student.size();
  }
  out.held_out_bits = bits_per_byte(sum.cross_entropy, bytes);
  out.held_out.add(sum, 1 / double(tokens));
}
}  // namespace distill
