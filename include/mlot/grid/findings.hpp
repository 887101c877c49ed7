#pragma once
#include <cstdint>
#include <limits>

#include "mlot/core/macros.hpp"
#include "mlot/core/status.hpp"
namespace mlot::MLOT_SET {
/// What kernels may find in data that the host cannot look at. What others may follow from comes
/// first.
enum class finding : std::uint64_t {
  logit,            ///< NaN or +inf in a token's row
  teacher_logit,    ///< the same, where one call reads both models' rows
  student_logit,    ///< the same
  row,              ///< a token's row that the logits do not have
  column_id,        ///< an id past the vocabulary
  label,            ///< a label past the vocabulary
  temperature,      ///< not finite, not above 0, or without a finite reciprocal
  row_marginal,     ///< negative or not finite
  column_marginal,  ///< negative or not finite
  warm_start,       ///< NaN or +inf
  cost,             ///< NaN or -inf
  no_pair,          ///< a token with mass all of whose pairs are forbidden
  domain,           ///< a forced domain that is not safe
  points,           ///< not finite
  pairs,            ///< of tokens that a sequence does not have, or not sorted by student token
  matching,         ///< costs of columns that are no numbers
};

/// The first finding (by kind, row, column) of all kernels that were given this word: 64 bits in
/// the device's memory, which the caller sets to `nothing` and reads when the stream is done.
/// Kernels lower it by an integer minimum, so the same data give the same word on every run.
struct finding_word {
  static constexpr std::uint64_t nothing = ~std::uint64_t(0);
  static constexpr int column_bits = 28, row_bits = 31;

  MLOT_HOST_DEVICE static constexpr std::uint64_t of(finding what, index_t row,
                                                     index_t column = -1) {
    auto const bits = [](index_t x, int n) {  // -1, "nowhere", is the largest that fits
      std::uint64_t const most = (std::uint64_t(1) << n) - 1;
      return x < 0 || std::uint64_t(x) > most ? most : std::uint64_t(x);
    };
    return std::uint64_t(what) << (row_bits + column_bits) | bits(row, row_bits) << column_bits |
           bits(column, column_bits);
  }
};

/// The status that a word read back stands for. `value` is NaN: the data are on the device.
inline status status_of_findings(std::uint64_t word) {
  struct place {
    fault code;
    char const *argument, *allowed;
  };
  static constexpr place places[] = {
      {fault::data, "vocabulary_mass.logits", "finite or -inf"},
      {fault::data, "divergence.teacher.logits", "finite or -inf"},
      {fault::data, "divergence.student_logits", "finite or -inf"},
      {fault::shape, "token_rows.row", "rows of the logits, or -1"},
      {fault::data, "ids", "a vocabulary id, or -1"},
      {fault::data, "labels", "a vocabulary id, or ignore_index"},
      {fault::value, "temperature", "finite and above 0, with a finite reciprocal"},
      {fault::data, "sinkhorn.row_marginal", "finite and at least 0"},
      {fault::data, "sinkhorn.column_marginal", "finite and at least 0"},
      {fault::data, "sinkhorn.warm_start", "finite or -inf"},
      {fault::data, "sinkhorn.cost", "a number, or +inf for a forbidden pair"},
      {fault::data, "sinkhorn.cost", "finite at one pair of each token with mass"},
      {fault::value, "sinkhorn.domain", "safe: sinkhorn::safe_exponent()"},
      {fault::data, "barycentric_projection.points", "finite"},
      {fault::data, "token_pairs", "tokens of the sequence, sorted by student token"},
      {fault::data, "match_columns.teacher", "finite, with logits that vocabulary_mass accepts"},
  };
  auto const what = word >> (finding_word::row_bits + finding_word::column_bits);
  if (what >= sizeof places / sizeof *places) return {};
  auto const index = [word](int shift, int bits) {
    std::uint64_t const most = (std::uint64_t(1) << bits) - 1, x = word >> shift & most;
    return x == most ? index_t(-1) : index_t(x);
  };
  return {places[what].code,
          places[what].argument,
          places[what].allowed,
          std::numeric_limits<double>::quiet_NaN(),
          index(finding_word::column_bits, finding_word::row_bits),
          index(0, finding_word::column_bits)};
}
}  // namespace mlot::MLOT_SET
