#pragma once
#include <memory>

#include "distill/ragged.hpp"
namespace distill {
enum class loss_device { scalar, simd, cuda };

/// Options of the distillation loss that the command line offers; the defaults are the paper's.
struct loss_options {
  index_t k = 50;
  double alpha = 0.15, beta = 0.1, gamma = 0.1;
  double epsilon = 0.1;
  index_t iterations = 20;
  loss_device device = loss_device::scalar;
};
/// Whether this build has the device, and for cuda whether there is a card.
bool available(loss_device device);

/// The loss and its terms, a student token.
struct loss_terms {
  double cross_entropy = 0;        ///< nat
  double absolute_difference = 0;  ///< HAD
  double logarithmic = 0;          ///< SL
  double sinkhorn = 0;             ///< SD
  double total = 0;

  /// Adds the terms of `weight` more tokens, to be divided by their number in the end.
  void add(loss_terms const& other, double weight);
};

/// Where the engine calls mlot: everything the training loop needs to know of it.
template <class T>
class mlot_step {
 public:
  explicit mlot_step(loss_options const& options);
  ~mlot_step();

  /// The loss of a ragged batch, a student token. Logits have a row a token of their side of `b`.
  /// `gradient` becomes dL / d student_logits, shaped alike; nullptr: values only.
  /// Throws std::runtime_error with mlot's sentence where mlot refuses.
  loss_terms operator()(matrix_ref<float> teacher_logits, matrix<T> const& student_logits,
                        batch const& b, matrix<T>* gradient);

  /// The transport plan of the last call (teacher tokens, longest student sequence), if kept.
  matrix<T> const& plan() const;
  void keep_plan(bool keep);

 private:
  struct state;
  std::unique_ptr<state> state_;
};
}  // namespace distill
