#pragma once
#include <array>
#include <memory>

#include "distill/loss_options.hpp"
#include "distill/ragged.hpp"
namespace distill {
/// Whether this build has the device, and for cuda whether there is a card.
bool available(loss_device device);

/// The loss and its terms, a student token.
struct loss_terms {
  double cross_entropy = 0;             ///< nat
  std::array<double, 3> distance = {};  ///< unweighted, in the order of loss_facts::terms
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
  /// Where loss_options::has_plan().
  void keep_plan(bool keep);
  /// Bytes that the largest call borrowed beside its inputs and outputs; 0 on a card.
  std::size_t scratch_bytes() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};
}  // namespace distill
