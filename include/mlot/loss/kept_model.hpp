#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/primitive/gather_columns.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot::MLOT_SET {
namespace detail {
/// One model's way from logits to the probabilities that are kept of them. A sequence of `groups`
/// is the tokens that share their columns: a batch, a sequence of it, or one token.
template <class Device, real T, storage S>
struct kept_model {
  using memory = typename Device::memory;
  matrix_view<S const, memory> logits;
  token_rows<memory> groups;
  one_or_each<T, memory> temperature;
  matrix_view<index_t, memory> ids;  ///< (groups, K)

  vector_view<T, memory> maximum{}, partition{};  ///< (tokens)
  matrix_view<T, memory> table{};                 ///< (tokens, K)

  /// The pass over the vocabulary; `mass` (groups, V) where columns are ranked by it.
  void sum_vocabulary(pipeline<Device>& steps, matrix_view<T, memory> mass, char const* argument) {
    maximum = steps.template vector<T>(groups.tokens());
    partition = steps.template vector<T>(groups.tokens());
    vocabulary_mass<T, S, memory> sums{.logits = logits, .tokens = groups, .maximum = maximum};
    sums.at[0] = {.temperature = temperature, .partition = partition, .mass = mass};
    steps.step(sums, argument);
  }
  void gather(pipeline<Device>& steps) {
    auto const picked = steps.template matrix<T>(groups.tokens(), ids.cols);
    table = steps.template matrix<T>(groups.tokens(), ids.cols);
    steps.step(gather_columns<T, S, memory>{
        .logits = logits, .tokens = groups, .ids = ids, .table = picked});
    steps.step(column_probabilities<T, memory>{.logits = picked,
                                               .maximum = maximum,
                                               .partition = partition,
                                               .temperature = temperature,
                                               .probability = table});
  }
  /// The gradient with respect to the logits from that with respect to the table.
  template <storage Gradient>
  void list_gradient(pipeline<Device>& steps, matrix_view<T const, memory> table_gradient,
                     matrix_view<Gradient, memory> gradient) const {
    steps.step(
        logit_gradient<T, S, Gradient, memory>{.logits = logits,
                                               .tokens = groups,
                                               .maximum = maximum,
                                               .columns = {{.temperature = temperature,
                                                            .partition = partition,
                                                            .ids = ids,
                                                            .probability = table,
                                                            .table_gradient = table_gradient}},
                                               .gradient = gradient});
  }
};
}  // namespace detail
}  // namespace mlot::MLOT_SET
