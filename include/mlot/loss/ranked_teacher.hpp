#pragma once
#include <initializer_list>

#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// Columns of ranked_teacher::normaliser.
namespace ranked_teacher_normaliser {
enum : index_t { maximum, partition, transport_partition, count };
}

/// All that MultiLevelOT needs of a teacher: a token's logits at the ids of largest mass, and the
/// normalisers of its softmax over the whole vocabulary. Written once by rank_teacher, read for
/// every student: K + 3 numbers a token in the place of m.
///
///   t(i, l) = exp((logits(i, l) - maximum(i)) / tau) / partition(i)
///
/// Columns stand in ranked order, so the first k serve every k <= K. Any row may be any token of
/// any sequence, as multi_level::teacher_tokens says; a file of many sequences serves batch by
/// batch, with a view of the rows that the batch needs. A ranking by sequence: a teacher's top k
/// token by token is not enough.
template <real T, storage S = T, class Memory = host_memory>
struct ranked_teacher {
  using memory = Memory;
  index_t vocabulary = 0;                 ///< m, at least 0
  T temperature = T(1);                   ///< tau at which columns were ranked
  T transport_temperature = T(2);         ///< tau_sd
  matrix_view<S const, Memory> logits{};  ///< (rows, K) [logit]; -inf masks, and fills up beyond m
  /// (rows, K) the same at the columns that were ranked at tau_sd, for transport_ranking::own.
  matrix_view<S const, Memory> transport_logits{};
  /// (rows, 3) the row's largest logit over the vocabulary, and its sums of exponentials at tau and
  /// at tau_sd; -inf and two zeros where every id is masked.
  matrix_view<T const, Memory> normaliser{};

  constexpr bool given() const { return normaliser.data != nullptr; }

  /// Whether this serves min(k, m) columns of the rows that `tokens` names, and those of its own
  /// ranking for transport if `own`. Device memory is not read.
  [[gnu::noinline]] constexpr status check(token_rows<Memory> const& tokens, index_t k,
                                           bool own) const {
    index_t const rows = normaliser.rows, columns = k < vocabulary ? k : vocabulary;
    requirement all;
    all.at_least("ranked_teacher.vocabulary", vocabulary, 0, "at least 0")
        .matrix("ranked_teacher.normaliser", normaliser, rows, ranked_teacher_normaliser::count,
                "3 columns")
        .at_least("ranked_teacher.logits", logits, rows, columns,
                  "one row a row of normaliser, at least min(k, vocabulary) columns");
    if (own)
      all.matrix("ranked_teacher.transport_logits", transport_logits, rows, logits.cols,
                 "the shape of logits");
    if constexpr (std::is_same_v<Memory, host_memory>)
      for (index_t i = 0; i < tokens.tokens() && all.answer().ok(); ++i)
        if (tokens.row(i) >= 0) all.also(check_row(tokens.row(i), own));
    return all.answer();
  }

 private:
  constexpr status check_row(index_t r, bool own) const {
    using namespace ranked_teacher_normaliser;
    T const top = normaliser(r, maximum);
    bool const exists = top > -infinity<T>;
    if (!(top < infinity<T>))
      return {fault::data,
              "ranked_teacher.normaliser",
              "a maximum that is finite or -inf",
              as_double(top),
              r,
              maximum};
    for (index_t const c : {partition, transport_partition})
      if (!(normaliser(r, c) < infinity<T>) || !(normaliser(r, c) > T(0) || !exists))
        return {fault::data,
                "ranked_teacher.normaliser",
                "sums that are finite and above 0",
                as_double(normaliser(r, c)),
                r,
                c};
    for (bool const of_transport : {false, true}) {
      if (of_transport && !own) break;
      auto const& from = of_transport ? transport_logits : logits;
      for (index_t l = 0; l < from.cols; ++l)
        if (T const z = load_as<T>(from(r, l)); !(z <= top))
          return {fault::data,
                  of_transport ? "ranked_teacher.transport_logits" : "ranked_teacher.logits",
                  "at most the row's maximum",
                  as_double(z),
                  r,
                  l};
    }
    return {};
  }
};
}  // namespace mlot::MLOT_SET
