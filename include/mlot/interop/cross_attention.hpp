#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/interop/host_step.hpp"
#include "mlot/interop/matrix_product.hpp"
#include "mlot/scalar/table_softmax.hpp"
/// The layers of cross-model attention, forward and gradient, as steps of a loss on the host.
namespace mlot::MLOT_SET {
/// x -> weight x + bias, of a row; a gradient has the same shape.
template <class T, class Memory = host_memory>
struct linear_map {
  matrix_view<T, Memory> weight{};  ///< (outputs, inputs) rows without gaps
  vector_view<T, Memory> bias{};    ///< (outputs), or no memory: 0

  constexpr bool given() const { return weight.data != nullptr || !bias.empty(); }
};

/// out = x weight^T + bias                                          (rows, outputs)
template <class Device, real T>
void list_linear(pipeline<Device>& steps, host::matrix<T> x, linear_map<T const> const& map,
                 host::matrix<T> out) {
  steps.step(host_step{[=] {
    for (index_t i = 0; i < out.rows; ++i)
      for (index_t o = 0; o < out.cols; ++o) out(i, o) = map.bias.empty() ? T(0) : map.bias(o);
  }});
  steps.step(
      matrix_product<T>{.left = x, .right = transposed(map.weight), .out = out, .adds = true});
}

/// Adds dL/dweight and dL/dbias, where wanted, given dL/dout (rows, outputs).
template <class Device, real T>
void list_linear_gradient(pipeline<Device>& steps, host::matrix<T> x, host::matrix<T> out_gradient,
                          linear_map<T> const& gradient) {
  if (gradient.weight.data != nullptr)
    steps.step(matrix_product<T>{
        .left = transposed(out_gradient), .right = x, .out = gradient.weight, .adds = true});
  if (!gradient.bias.empty())
    steps.step(host_step{[=] {
      for (index_t o = 0; o < out_gradient.cols; ++o) {
        wide_t<T> sum(0);
        for (index_t i = 0; i < out_gradient.rows; ++i) sum += out_gradient(i, o);
        gradient.bias(o) += T(sum);
      }
    }});
}

/// out = weight value, weight = softmax_row(score / temperature)
template <real T>
struct attention {
  host::matrix<T> score{};   ///< (queries, keys)
  host::matrix<T> value{};   ///< (keys, width)
  host::matrix<T> weight{};  ///< (queries, keys) written
  host::matrix<T> out{};     ///< (queries, width) written
  T temperature = T(1);
};
template <class Device, real T>
void list_attention(pipeline<Device>& steps, attention<T> const& a) {
  steps.step(table_softmax<T, host_memory>{
      .table = a.score, .temperature = a.temperature, .probability = a.weight});
  steps.step(matrix_product<T>{.left = a.weight, .right = a.value, .out = a.out});
}

template <real T>
struct attention_gradient {
  host::matrix<T> out{};     ///< (queries, width) dL/dout
  host::matrix<T> weight{};  ///< (queries, keys) written: dL/dweight
  host::matrix<T> value{};   ///< (keys, width) written: dL/dvalue
  host::matrix<T> score{};   ///< (queries, keys) added to: dL/dscore
};
template <class Device, real T>
void list_attention_gradient(pipeline<Device>& steps, attention<T> const& a,
                             attention_gradient<T> const& gradient) {
  steps.step(matrix_product<T>{
      .left = transposed(a.weight), .right = gradient.out, .out = gradient.value});
  steps.step(matrix_product<T>{
      .left = gradient.out, .right = transposed(a.value), .out = gradient.weight});
  steps.step(table_softmax_gradient<T, host_memory>{.probability = a.weight,
                                                    .upstream = gradient.weight,
                                                    .temperature = a.temperature,
                                                    .gradient = gradient.score});
}
}  // namespace mlot::MLOT_SET
