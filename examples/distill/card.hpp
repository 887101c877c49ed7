#pragma once
#include <memory>
#include <mlot/loss/multi_level.hpp>
namespace distill {
/// Whether this machine has a card that runs CUDA.
bool card_is_there();

/// The loss on that card: logits are copied there and the gradient back. Compiled by nvcc alone.
template <class T>
class card {
 public:
  card();
  ~card();
  mlot::status compute(mlot::multi_level<T, float, T> const& loss);

 private:
  struct state;
  std::unique_ptr<state> state_;
};
}  // namespace distill
