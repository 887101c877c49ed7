#pragma once
#include "mlot/core/compute.hpp"
namespace mlot::MLOT_SET {
/// A loss is a list of primitives and the arrays between them. A pipeline runs that list, stopping
/// at the first fault; or, counting, it only adds up the memory that the list needs. So the size of
/// a workspace cannot drift from its use.
template <class Device>
class pipeline {
 public:
  using memory = typename Device::memory;
  explicit pipeline(Device device) : device_(device), counts_(true) {}
  pipeline(Device device, workspace<memory> lent)
      : device_(device), counts_(false), lent_(lent), arrays_(lent) {}

  template <class T>
  vector_view<T, memory> vector(index_t size) {
    return arrays_.template vector<T>(size);
  }
  template <class T>
  matrix_view<T, memory> matrix(index_t rows, index_t cols) {
    return arrays_.template matrix<T>(rows, cols);
  }
  /// Runs one primitive. A fault in its data is reported as one of `argument`, where given: the
  /// name under which the caller of the loss knows that array.
  template <class Primitive>
  [[gnu::noinline]] void step(Primitive const& primitive, char const* argument = nullptr) {
    if (counts_) {
      std::size_t const wanted = workspace_size(device_, primitive);
      if (wanted > scratch_) scratch_ = wanted;
    } else if (first_.ok()) {
      std::size_t const left = lent_.size > arrays_.bytes() ? lent_.size - arrays_.bytes() : 0;
      first_ = compute(device_, primitive, arrays_.rest(left));
      if (first_.code == fault::data && argument != nullptr) first_.argument = argument;
    }
  }
  /// Reports faults so far under the names that the caller of the loss knows.
  void rename(renaming const* names) {
    if (!first_.ok()) first_ = known_as(names, first_);
  }
  status answer() const { return first_; }
  std::size_t bytes() const { return arrays_.bytes() + scratch_; }

 private:
  Device device_;
  bool counts_;
  workspace<memory> lent_;
  arena<memory> arrays_;
  std::size_t scratch_ = 0;
  status first_;
};

/// What is listed by `list_steps(pipeline<Device>&, loss)`, in the loss's namespace: it runs, and
/// asks for scratch, by its list.
template <class Loss, class Device>
concept list_of_steps = requires(pipeline<Device>& steps, Loss const& loss) {
  list_steps(steps, loss);
};

template <class Device, list_of_steps<Device> Loss>
std::size_t scratch_size(Device device, Loss const& loss) {
  pipeline<Device> steps(device);
  list_steps(steps, loss);
  return steps.bytes();
}
template <class Device, list_of_steps<Device> Loss>
status run(Device device, Loss const& loss, workspace<typename Device::memory> scratch) {
  pipeline<Device> steps(device, scratch);
  list_steps(steps, loss);
  return steps.answer();
}
}  // namespace mlot::MLOT_SET
