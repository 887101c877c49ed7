#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/loss/ranked_teacher.hpp"
#include "mlot/primitive/all_columns.hpp"
#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/primitive/gather_columns.hpp"
#include "mlot/primitive/top_columns.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot::MLOT_SET {
namespace detail {
/// One model's way from logits to tables over its columns.
template <class Device, real T, storage S>
struct ranked_model {
  using memory = typename Device::memory;
  matrix_view<S const, memory> logits;
  token_rows<memory> tokens;
  T temperature, transport_temperature;
  matrix_view<index_t, memory> ids, transport_ids;  ///< (B, K)

  vector_view<T, memory> maximum{}, partition{}, transport_partition{}, unit_partition{};
  matrix_view<T, memory> mass{}, transport_mass{};             ///< (B, >= V), then (B, V)
  matrix_view<T, memory> column_logits{}, transport_logits{};  ///< (tokens, K)
  matrix_view<T, memory> table{}, log_table{};                 ///< (tokens, K)
  /// Where the columns of transport_ids are, if not in `logits`.
  matrix_view<S const, memory> own_logits{};

  /// The pass over the vocabulary. Temperatures that agree share their sums.
  void sum_vocabulary(pipeline<Device>& steps, char const* argument, bool ranks,
                      bool ranks_transport, bool needs_unit) {
    index_t const n = tokens.tokens();
    vocabulary_mass<T, S, memory> sums{.logits = logits, .tokens = tokens};
    sums.maximum = maximum = steps.template vector<T>(n);
    int temperatures = 0;
    auto const at = [&](T const& tau) {
      for (int c = 0; c < temperatures; ++c)
        if (sums.at[c].temperature.one == tau) return c;
      int const c = temperatures++;
      sums.at[c].temperature = {tau};
      sums.at[c].partition = steps.template vector<T>(n);
      return c;
    };
    auto const with_mass = [&](int c, matrix_view<T, memory> in) {
      if (sums.at[c].mass.rows == 0)
        sums.at[c].mass = {in.data, in.rows, logits.cols, in.row_stride, in.col_stride};
      return sums.at[c].mass;
    };
    int const ranking = at(temperature), transport = at(transport_temperature);
    if (ranks) mass = with_mass(ranking, mass);
    if (ranks_transport) transport_mass = with_mass(transport, transport_mass);
    partition = sums.at[ranking].partition;
    transport_partition = sums.at[transport].partition;
    if (needs_unit) unit_partition = sums.at[at(T(1))].partition;
    steps.step(sums, argument);
  }
  void rank(pipeline<Device>& steps, bool own) {
    steps.step(top_columns<T, memory>{.mass = mass, .ids = ids});
    if (own) steps.step(top_columns<T, memory>{.mass = transport_mass, .ids = transport_ids});
  }
  /// In the place of both: a teacher that was ranked before.
  void take(pipeline<Device>& steps, ranked_teacher<T, S, memory> const& ranked) {
    using namespace ranked_teacher_normaliser;
    logits = ranked.logits;
    own_logits = ranked.transport_logits;
    auto const numbers = steps.template matrix<T>(tokens.tokens(), count);
    auto const every = steps.template matrix<index_t>(tokens.sequences(), count);
    steps.step(all_columns<memory>{.vocabulary = count, .ids = every});
    steps.step(gather_columns<T, T, memory>{
        .logits = ranked.normaliser, .tokens = tokens, .ids = every, .table = numbers});
    maximum = numbers.column(ranked_teacher_normaliser::maximum);
    partition = numbers.column(ranked_teacher_normaliser::partition);
    transport_partition = numbers.column(ranked_teacher_normaliser::transport_partition);
    steps.step(all_columns<memory>{.vocabulary = logits.cols, .ids = ids});
    transport_ids = ids;
  }
  void gather(pipeline<Device>& steps, char const* argument, bool own, bool needs_log) {
    auto const new_table = [&] { return steps.template matrix<T>(tokens.tokens(), ids.cols); };
    auto const columns = [&](matrix_view<S const, memory> from, matrix_view<index_t, memory> of) {
      gather_columns<T, S, memory> const picked{
          .logits = from, .tokens = tokens, .ids = of, .table = new_table()};
      steps.step(picked, argument);
      return picked.table;
    };
    column_logits = columns(logits, ids);
    transport_logits =
        own ? columns(own_logits.data != nullptr ? own_logits : logits, transport_ids)
            : column_logits;
    table = new_table();
    if (needs_log) log_table = new_table();
    steps.step(column_probabilities<T, memory>{.logits = column_logits,
                                               .maximum = maximum,
                                               .partition = partition,
                                               .temperature = temperature,
                                               .probability = table,
                                               .log_probability = log_table});
  }
  /// Probabilities at the transport temperature, in the transport's arithmetic.
  template <real U>
  matrix_view<U, memory> transport_table(pipeline<Device>& steps) const {
    auto const out = steps.template matrix<U>(tokens.tokens(), ids.cols);
    steps.step(column_probabilities<U, memory, T>{.logits = transport_logits,
                                                  .maximum = maximum,
                                                  .partition = transport_partition,
                                                  .temperature = U(transport_temperature),
                                                  .probability = out});
    return out;
  }
};
}  // namespace detail
}  // namespace mlot::MLOT_SET
