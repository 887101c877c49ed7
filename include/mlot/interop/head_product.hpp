#pragma once
#include <algorithm>
#include <concepts>

#include "mlot/core/pipeline.hpp"
#include "mlot/interop/host_step.hpp"
#include "mlot/interop/matrix_product.hpp"
/// Hidden states under a model's head, and back, as steps of a loss on the host.
namespace mlot::MLOT_SET {
/// A head (V, width) whose elements are stored as S. Where that is not T, the products take it in
/// parts, each of them widened to T in memory for `most_rows` of its rows.
template <real T, storage S>
struct model_head {
  static constexpr index_t most_rows = 1024;
  host::matrix<S const> weight;  ///< (V, width) rows without gaps
  host::vector<T> widened;       ///< (memory()) of the pipeline

  static constexpr index_t memory(index_t width) {
    return std::same_as<S, T> ? 0 : most_rows * width;
  }
};

/// use(first, rows) with rows first, first + 1, ... of the head, in T.
template <class Device, real T, storage S, class Use>
void for_head_rows(pipeline<Device>& steps, model_head<T, S> const& head, Use use) {
  auto const& weight = head.weight;
  if constexpr (std::same_as<S, T>) {
    use(index_t(0), weight);
  } else {
    for (index_t first = 0; first < weight.rows; first += head.most_rows) {
      auto const from = weight.row_range(first, (std::min)(head.most_rows, weight.rows - first));
      host::matrix<T> const to{head.widened.data, from.rows, from.cols, from.cols};
      steps.step(host_step{[&] {
        scalar::for_each_piece(Device{}, from.rows, from.rows * from.cols, [=](index_t v) {
          for (index_t c = 0; c < from.cols; ++c) to(v, c) = load_as<T>(from(v, c));
        });
      }});
      use(first, host::matrix<T const>(to));
    }
  }
}

/// logits = states head^T                                           (tokens, V)
template <class Device, real T, storage S>
void list_logits(pipeline<Device>& steps, host::matrix<T> states, model_head<T, S> const& head,
                 host::matrix<T> logits) {
  for_head_rows(steps, head, [&](index_t first, host::matrix<T const> rows) {
    steps.step(
        matrix_product<T>{.left = states,
                          .right = transposed(rows),
                          .out = {logits.at(first), logits.rows, rows.rows, logits.row_stride}});
  });
}

/// dL/dstates = dL/dlogits head                                     (tokens, width)
template <class Device, real T, storage S>
void list_state_gradient(pipeline<Device>& steps, host::matrix<T> logits,
                         model_head<T, S> const& head, host::matrix<T> states) {
  for_head_rows(steps, head, [&](index_t first, host::matrix<T const> rows) {
    steps.step(
        matrix_product<T>{.left = {logits.at(first), logits.rows, rows.rows, logits.row_stride},
                          .right = rows,
                          .out = states,
                          .adds = first > 0});
  });
}
}  // namespace mlot::MLOT_SET
