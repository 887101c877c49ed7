#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mlot/core/view.hpp"
namespace kit {
using mlot::index_t;

inline void require(bool holds, std::string const& otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}
inline void succeeds(cudaError_t answer) {
  require(answer == cudaSuccess, cudaGetErrorString(answer));
}

/// Whether there is a card to run on.
inline bool has_card() {
  int cards = 0;
  return cudaGetDeviceCount(&cards) == cudaSuccess && cards > 0;
}

/// False for compute-sanitizer's initcheck, to which memory full of poison has been written.
inline bool new_memory_is_poisoned = true;

/// Elements in the card's own memory; full of poison (all bits set) unless copied from the host.
template <class T>
class device_array {
 public:
  explicit device_array(index_t size) : size_(size) {
    if (size > 0) succeeds(cudaMalloc(reinterpret_cast<void**>(&data_), bytes()));
    if (new_memory_is_poisoned) poison();
  }
  device_array(T const* from, index_t size) : device_array(size) {
    if (size > 0) succeeds(cudaMemcpy(data_, from, bytes(), cudaMemcpyHostToDevice));
  }
  explicit device_array(std::vector<T> const& from)
      : device_array(from.data(), index_t(from.size())) {}
  device_array(device_array&& other)
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  ~device_array() { cudaFree(data_); }

  T* data() const { return data_; }
  index_t size() const { return size_; }
  std::size_t bytes() const { return std::size_t(size_) * sizeof(T); }
  mlot::device::vector<T> vector() const { return {data_, size_}; }
  /// (rows, as many columns as that makes)
  mlot::device::matrix<T> matrix(index_t rows) const {
    index_t const cols = rows > 0 ? size_ / rows : 0;
    return {data_, rows, cols, cols};
  }
  void poison() {
    if (size_ > 0) succeeds(cudaMemset(data_, 0xff, bytes()));
  }
  /// Of the elements from `first` on, when all that was launched has finished.
  std::vector<T> on_host(index_t first = 0) const {
    std::vector<T> copy(std::size_t(size_ - first));
    succeeds(cudaDeviceSynchronize());
    if (!copy.empty())
      succeeds(
          cudaMemcpy(copy.data(), data_ + first, copy.size() * sizeof(T), cudaMemcpyDeviceToHost));
    return copy;
  }

 private:
  T* data_ = nullptr;
  index_t size_ = 0;
};

/// A stream that waits for no other.
class own_stream {
 public:
  own_stream() { succeeds(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~own_stream() { cudaStreamDestroy(stream_); }
  own_stream(own_stream const&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// What `launch(stream)` launches, captured. Whatever allocates or waits in it is refused.
class captured {
 public:
  template <class Launch>
  captured(cudaStream_t stream, Launch const& launch) {
    cudaGraph_t graph = nullptr;
    succeeds(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    launch(stream);
    succeeds(cudaStreamEndCapture(stream, &graph));
    succeeds(cudaGraphInstantiate(&graph_, graph, 0));
    cudaGraphDestroy(graph);
  }
  ~captured() { cudaGraphExecDestroy(graph_); }
  captured(captured const&) = delete;
  void operator()(cudaStream_t stream) const { succeeds(cudaGraphLaunch(graph_, stream)); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};
}  // namespace kit
