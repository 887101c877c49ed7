#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/loss/ranked_model.hpp"
#include "mlot/loss/ranked_teacher.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot::MLOT_SET {
/// From a teacher's logits to its ranked_teacher: once, for every student and epoch to come. For
/// token i of sequence b and rank l,
///
///   ids(b, l)     the ids of largest mass at `temperature`, as in multi_level
///   logits(i, l)  = z(row(i), ids(b, l)), -inf where the vocabulary ends before l
///   normaliser(i) = maximum, sum at tau, sum at tau_sd
///
/// The loss on these tables has the bits that it has on the logits, from the same device. `kept` is
/// the teacher as multi_level takes it; its row i is token i.
/// NaN or +inf in a token's row answers fault::data with row and column, outputs untouched. Reads
/// the logits once; allocates nothing. Exact: tests/loss/ranked_teacher_test.cpp.
template <real T, storage S = T, class Memory = host_memory>
struct rank_teacher {
  using memory = Memory;
  matrix_view<S const, Memory> teacher_logits{};  ///< (rows, m) any row stride
  token_rows<Memory> teacher_tokens{};            ///< B sequences
  T temperature = T(1);                           ///< tau of the ranking, above 0
  T transport_temperature = T(2);                 ///< tau_sd, above 0
  matrix_view<T, Memory> logits{};                ///< (tokens, K) written; K >= 1
  matrix_view<T, Memory> normaliser{};            ///< (tokens, 3) written
  matrix_view<index_t, Memory> ids{};             ///< (B, K) written, or no memory
  /// (tokens, K) and (B, K) the same ranked at tau_sd: for transport_ranking::own, else no memory.
  matrix_view<T, Memory> transport_logits{};
  matrix_view<index_t, Memory> transport_ids{};

  constexpr bool own() const { return transport_logits.data != nullptr; }
  constexpr ranked_teacher<T, T, Memory> kept() const {
    return {.vocabulary = teacher_logits.cols,
            .temperature = temperature,
            .transport_temperature = transport_temperature,
            .logits = logits,
            .transport_logits = transport_logits,
            .normaliser = normaliser};
  }

  constexpr status check() const {
    index_t const n = teacher_tokens.tokens(), b = teacher_tokens.sequences(), k = logits.cols;
    char const* const as_logits = "one row a token, the columns of logits";
    char const* const as_ids = "one row a sequence, the columns of logits";
    requirement all;
    all.usable("rank_teacher.teacher_logits", teacher_logits)
        .also(teacher_tokens.check("rank_teacher.teacher_tokens", teacher_logits.rows))
        .temperature("rank_teacher.temperature", temperature)
        .temperature("rank_teacher.transport_temperature", transport_temperature)
        .at_least("rank_teacher.logits", logits, n, 1, "one row a token, at least 1 column")
        .matrix("rank_teacher.normaliser", normaliser, n, ranked_teacher_normaliser::count,
                "one row a token, 3 columns")
        .optional("rank_teacher.ids", ids, b, k, as_ids)
        .optional("rank_teacher.transport_logits", transport_logits, n, k, as_logits)
        .optional("rank_teacher.transport_ids", transport_ids, b, k, as_ids)
        .count(own() || transport_ids.data == nullptr, "rank_teacher.transport_ids",
               transport_ids.rows, -1, "rows", "no memory without transport_logits");
    return all.answer();
  }
};

template <class Device, real T, storage S>
void list_steps(pipeline<Device>& steps,
                rank_teacher<T, S, typename Device::memory> const& ranking) {
  using memory = typename Device::memory;
  index_t const sequences = ranking.teacher_tokens.sequences();
  bool const own = ranking.own();
  auto const lent = [&](matrix_view<index_t, memory> ids) {
    return ids.data != nullptr ? ids
                               : steps.template matrix<index_t>(sequences, ranking.logits.cols);
  };
  auto const new_mass = [&](bool wanted) {
    return wanted ? steps.template matrix<T>(sequences, ranking.teacher_logits.cols)
                  : matrix_view<T, memory>{};
  };
  detail::ranked_model<Device, T, S> teacher{
      .logits = ranking.teacher_logits,
      .tokens = ranking.teacher_tokens,
      .temperature = ranking.temperature,
      .transport_temperature = ranking.transport_temperature,
      .ids = lent(ranking.ids),
      .transport_ids = own ? lent(ranking.transport_ids) : matrix_view<index_t, memory>{},
      .mass = new_mass(true),
      .transport_mass = new_mass(own)};
  teacher.sum_vocabulary(steps, "rank_teacher.teacher_logits", true, own, false);
  teacher.rank(steps, own);
  auto const keep = [&](matrix_view<index_t, memory> ids, matrix_view<T, memory> table) {
    steps.step(gather_columns<T, S, memory>{.logits = ranking.teacher_logits,
                                            .tokens = ranking.teacher_tokens,
                                            .ids = ids,
                                            .table = table});
  };
  keep(teacher.ids, ranking.logits);
  if (own) keep(teacher.transport_ids, ranking.transport_logits);
  auto const normaliser = [&](index_t c, vector_view<T, memory> const& from) {
    matrix_view<T, memory> const to = ranking.normaliser;
    steps.step(table_product<T, memory>{
        .left = {from.data, from.size, 1, from.stride},
        .out = {to.at(c * to.col_stride), to.rows, 1, to.row_stride, to.col_stride}});
  };
  normaliser(ranked_teacher_normaliser::maximum, teacher.maximum);
  normaliser(ranked_teacher_normaliser::partition, teacher.partition);
  normaliser(ranked_teacher_normaliser::transport_partition, teacher.transport_partition);
}
}  // namespace mlot::MLOT_SET
