#pragma once
#include <algorithm>
#include <mlot/interop/owned.hpp>
#include <mlot/simd.hpp>

#include "inputs.hpp"
#include "timing.hpp"
namespace bench {
struct shape {
  index_t sequences = 1, tokens = 128;  ///< tokens of each sequence, on both sides
  index_t teacher_vocabulary = 32000, student_vocabulary = 50272;
  index_t k = 50, iterations = 20;
  int threads = available_threads();
};

/// The whole loss, forward and backward, with the memory of its caller.
class loss_call {
 public:
  explicit loss_call(shape const& s) : shape_(s) {
    array<index_t> ends;
    for (index_t b = 0; b <= s.sequences; ++b) ends.push_back(b * s.tokens);
    require(tokens_.from_offsets(view(ends)));
  }

  /// By rank, or on the columns of the last call by rank.
  template <class Device>
  void compute_on(Device device, mlot::column_matching matching = mlot::column_matching::rank) {
    mlot::multi_level<float> const loss{
        .teacher_logits = view(teacher_, rows_, shape_.teacher_vocabulary),
        .teacher_tokens = tokens_,
        .student_logits = view(student_, rows_, shape_.student_vocabulary),
        .student_tokens = tokens_,
        .labels = {.label = view(labels_)},
        .options = {.k = shape_.k, .iterations = shape_.iterations, .matching = matching},
        .terms = view(terms_),
        .gradient = view(gradient_, rows_, shape_.student_vocabulary),
        .teacher_columns = view(teacher_columns_, shape_.sequences, shape_.k),
        .student_columns = view(student_columns_, shape_.sequences, shape_.k)};
    require(compute(device, loss, scratch_.for_call(device, loss)));
  }
  /// The simd device against the scalar one, on the same columns: two whose masses differ by less
  /// than their rounding may rank differently.
  void require_agreement() {
    compute_on(mlot::on::scalar{});
    auto const wanted_terms = terms_, wanted_gradient = gradient_;
    std::fill(terms_.begin(), terms_.end(), 0.f);
    std::fill(gradient_.begin(), gradient_.end(), 0.f);
    compute_on(mlot::on::simd<>{}, mlot::column_matching::given);
    require(relative_difference(terms_, wanted_terms) <= 1e-5 &&
                relative_difference(gradient_, wanted_gradient) <= 1e-5,
            "multi_level: the simd device disagrees with the scalar one");
  }
  /// That the loss cannot avoid: one read of the teacher, two of the student, one write of the
  /// gradient.
  double least_bytes() const { return 4.0 * double(teacher_.size() + 3 * student_.size()); }
  /// Of the arrays that these bytes come from.
  double footprint() const { return 4.0 * double(teacher_.size() + 2 * student_.size()); }

 private:
  shape shape_;
  index_t rows_ = shape_.sequences * shape_.tokens;
  array<index_t> labels_ = random_labels(rows_, shape_.student_vocabulary, 1);
  array<float> teacher_ = random_logits<float>(rows_, shape_.teacher_vocabulary, 2);
  array<float> student_ = random_logits<float>(rows_, shape_.student_vocabulary, 3);
  array<float> gradient_ = array<float>(student_.size());
  array<float> terms_ = array<float>(mlot::multi_level_term::count);
  array<index_t> teacher_columns_ = array<index_t>(shape_.sequences * shape_.k);
  array<index_t> student_columns_ = array<index_t>(shape_.sequences * shape_.k);
  mlot::owned_token_rows tokens_;
  mlot::scratch_buffer scratch_;
};
}  // namespace bench
