#pragma once
#include <cuda_runtime_api.h>

#include "mlot/cuda/device.cuh"
#include "mlot/loss/multi_level.hpp"
/// For engines whose tensors lie on the host, and for checks: memory of the card that grows once,
/// and the loss there and back. An engine on the card lends mlot its own memory instead.
namespace mlot::MLOT_SET {
inline status card_status(cudaError_t answer) {
  if (answer == cudaSuccess) return {};
  return {fault::device, "cuda", cudaGetErrorString(answer), double(answer)};
}

/// An array in the card's memory. It grows and never shrinks; what it held is lost when it grows.
template <class T>
class card_array {
 public:
  card_array() = default;
  card_array(card_array const&) = delete;
  card_array& operator=(card_array const&) = delete;
  ~card_array() { (void)cudaFree(data_); }

  status resize(index_t size) {
    size_ = size;
    if (size <= capacity_) return {};
    capacity_ = 0;
    (void)cudaFree(data_);
    data_ = nullptr;
    status const s =
        card_status(cudaMalloc(reinterpret_cast<void**>(&data_), std::size_t(size) * sizeof(T)));
    if (s.ok()) capacity_ = size;
    return s;
  }
  /// Copies a vector whose elements lie side by side.
  status upload(host::vector<T const> from, cudaStream_t stream) {
    if (from.size > 1 && from.stride != 1)
      return {fault::shape, "card_array.upload", "a stride of 1", double(from.stride)};
    if (status const s = resize(from.size); !s.ok() || from.size == 0) return s;
    return card_status(cudaMemcpyAsync(data_, from.data, std::size_t(from.size) * sizeof(T),
                                       cudaMemcpyHostToDevice, stream));
  }
  /// Copies a matrix whose rows lie one after the other, with any gap; here there is none.
  status upload(host::matrix<T const> from, cudaStream_t stream) {
    if (status const s = resize(from.rows * from.cols); !s.ok() || from.empty()) return s;
    return copy_rows(data_, from.cols, from.data, from.row_stride, from, cudaMemcpyHostToDevice,
                     stream);
  }
  status download(host::matrix<T> to, cudaStream_t stream) const {
    if (to.empty()) return {};
    return copy_rows(to.data, to.row_stride, data_, to.cols, to, cudaMemcpyDeviceToHost, stream);
  }
  device::vector<T> vector() const { return {data_, size_}; }
  device::matrix<T> matrix(index_t rows, index_t cols) const { return {data_, rows, cols, cols}; }
  T* data() const { return data_; }

 private:
  template <class Shape>
  static status copy_rows(T* to, index_t to_stride, T const* from, index_t from_stride,
                          Shape const& shape, cudaMemcpyKind way, cudaStream_t stream) {
    if (shape.cols > 1 && shape.col_stride != 1)
      return {fault::shape, "card_array", "a column stride of 1", double(shape.col_stride)};
    auto const bytes = [](index_t n) { return std::size_t(n) * sizeof(T); };
    return card_status(cudaMemcpy2DAsync(to, bytes(to_stride), from, bytes(from_stride),
                                         bytes(shape.cols), std::size_t(shape.rows), way, stream));
  }
  T* data_ = nullptr;
  index_t size_ = 0, capacity_ = 0;
};

/// Runs a loss over host memory on the card: copies inputs there, computes, copies outputs back,
/// and waits. Answers faults of shape from the loss's own check, those of data from what kernels
/// found. Outputs are untouched after a fault.
template <class T, class Teacher = T, class Student = T, class Gradient = Student>
class multi_level_on_card {
 public:
  using host_loss = multi_level<T, Teacher, Student, Gradient, host_memory>;
  status compute(cudaStream_t stream, host_loss const& loss) {
    if (status const s = loss.check(); !s.ok()) return s;
    first_ = {};
    using device_loss = multi_level<T, Teacher, Student, Gradient, device_memory>;
    device_loss there{.options = loss.options, .upstream = loss.upstream};
    then(teacher_.upload(loss.teacher_logits, stream));
    there.teacher_logits = teacher_.matrix(loss.teacher_logits.rows, loss.teacher_logits.cols);
    then(student_.upload(loss.student_logits, stream));
    there.student_logits = student_.matrix(loss.student_logits.rows, loss.student_logits.cols);
    there.teacher_tokens = {index(0, loss.teacher_tokens.offset, stream),
                            index(1, loss.teacher_tokens.row, stream), loss.teacher_tokens.longest};
    there.student_tokens = {index(2, loss.student_tokens.offset, stream),
                            index(3, loss.student_tokens.row, stream), loss.student_tokens.longest};
    there.labels = {index(4, loss.labels.label, stream), loss.labels.ignore_index};
    there.pairs = {index(5, loss.pairs.offset, stream), index(6, loss.pairs.teacher, stream),
                   index(7, loss.pairs.student, stream)};
    there.terms = lend(terms_, multi_level_term::count);
    there.gradient = lend(gradient_, loss.gradient);
    if (loss.plan.data != nullptr)  // of which the loss writes only what problems own
      then(plan_.upload(host::matrix<T const>(loss.plan), stream));
    there.plan = lend(plan_, loss.plan);
    there.sequence_terms = lend(sequence_terms_, loss.sequence_terms);
    host::matrix<index_t> const columns[] = {loss.teacher_columns, loss.student_columns,
                                             loss.teacher_transport_columns,
                                             loss.student_transport_columns};
    device::matrix<index_t>* const columns_there[] = {
        &there.teacher_columns, &there.student_columns, &there.teacher_transport_columns,
        &there.student_transport_columns};
    for (int c = 0; c < 4; ++c) {
      if (columns[c].data == nullptr) continue;
      then(columns_[c].upload(host::matrix<index_t const>(columns[c]), stream));
      *columns_there[c] = columns_[c].matrix(columns[c].rows, columns[c].cols);
    }
    std::uint64_t found = finding_word::nothing;
    then(findings_.upload(host::vector<std::uint64_t const>{&found, 1}, stream));
    on::cuda const device(stream, findings_.data());
    then(scratch_.resize(index_t(workspace_size(device, there))));
    if (first_.ok())
      then(mlot::compute(device, there,
                         workspace<device_memory>{reinterpret_cast<std::byte*>(scratch_.data()),
                                                  std::size_t(scratch_.vector().size)}));
    then(findings_.download({&found, 1, 1, 1}, stream));
    then(card_status(cudaStreamSynchronize(stream)));
    if (first_.ok()) first_ = status_of_findings(found);

    then(terms_.download({loss.terms.data, multi_level_term::count, 1, loss.terms.stride}, stream));
    then(gradient_.download(loss.gradient, stream));
    then(plan_.download(loss.plan, stream));
    then(sequence_terms_.download(loss.sequence_terms, stream));
    for (int c = 0; c < 4; ++c)
      if (columns[c].data != nullptr) then(columns_[c].download(columns[c], stream));
    then(card_status(cudaStreamSynchronize(stream)));
    return first_;
  }

 private:
  void then(status const& s) {
    if (first_.ok()) first_ = s;
  }
  template <class E>
  device::matrix<E> lend(card_array<E>& array, host::matrix<E> like) {
    if (like.data == nullptr) return {};
    then(array.resize(like.rows * like.cols));
    return array.matrix(like.rows, like.cols);
  }
  device::vector<T> lend(card_array<T>& array, index_t size) {
    then(array.resize(size));
    return array.vector();
  }
  device::vector<index_t const> index(int which, host::vector<index_t const> from,
                                      cudaStream_t stream) {
    if (from.empty()) return {};
    then(indices_[which].upload(from, stream));
    return indices_[which].vector();
  }
  status first_;
  card_array<Teacher> teacher_;
  card_array<Student> student_;
  card_array<Gradient> gradient_;
  card_array<T> terms_, plan_, sequence_terms_;
  card_array<index_t> columns_[4], indices_[8];
  card_array<std::uint64_t> findings_;
  card_array<unsigned char> scratch_;
};
}  // namespace mlot::MLOT_SET
