#include <mlot/interop/card.cuh>
#include <mlot/mlot.cuh>

#include "distill/card.hpp"
namespace distill {
bool card_is_there() {
  int cards = 0;
  return cudaGetDeviceCount(&cards) == cudaSuccess && cards > 0;
}

template <class T>
struct card<T>::state {
  mlot::multi_level_on_card<T, float, T> loss;
};
template <class T>
card<T>::card() : state_(std::make_unique<state>()) {}
template <class T>
card<T>::~card() = default;

template <class T>
mlot::status card<T>::compute(mlot::multi_level<T, float, T> const& loss) {
  return state_->loss.compute(cudaStreamPerThread, loss);  // students train on threads of their own
}

template class card<float>;
template class card<double>;
}  // namespace distill
