#pragma once
#include <type_traits>
#include <vector>

#include "cuda/device_array.cuh"
namespace bench {
using kit::index_t;

/// The host's counterpart of kit::device_array.
template <class T>
class host_array {
 public:
  explicit host_array(index_t size) : memory_(std::size_t(size)) {}
  explicit host_array(std::vector<T> from) : memory_(std::move(from)) {}
  index_t size() const { return index_t(memory_.size()); }
  double bytes() const { return double(memory_.size() * sizeof(T)); }
  mlot::host::vector<T> vector() { return {memory_.data(), size()}; }
  mlot::host::matrix<T> matrix(index_t rows) {
    return {memory_.data(), rows, size() / rows, size() / rows};
  }
  T* data() { return memory_.data(); }
  std::vector<T> const& on_host() const { return memory_; }

 private:
  std::vector<T> memory_;
};

template <class T, class Memory>
using array_in = std::conditional_t<std::is_same_v<Memory, mlot::host_memory>, host_array<T>,
                                    kit::device_array<T>>;
}  // namespace bench
