#pragma once
#include "mlot/core/compute.hpp"
#include "mlot/core/requirement.hpp"
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// A temperature for every row from the row's own spread, so that softmax(z / temperature) is the
/// softmax of z / (std + offset) at `base`:
///
///   mean(i) = mean_v z,   deviation(i) = sqrt( sum_v (z - mean)^2 / (V - 1) )
///   temperature(i) = base (deviation(i) + offset)
///
/// Masked logits (-inf) are left out of mean, deviation and count; fewer than two finite logits
/// have deviation 0. An absent token has temperature `base`. NaN is not looked for.
/// Accuracy: float 1e-5, double 1e-12 relative: tests/primitive/deviation_temperature_test.cpp.
/// Source: the authors' code normalises rows this way (loss/reference_code.hpp).
template <real T, storage S, class Memory>
struct deviation_temperature {
  using memory = Memory;
  matrix_view<S const, Memory> logits{};  ///< (rows, V)
  token_rows<Memory> tokens{};
  T base = T(1);                         ///< above 0
  T offset = T(1e-4);                    ///< above 0
  vector_view<T, Memory> mean{};         ///< (tokens) written
  vector_view<T, Memory> deviation{};    ///< (tokens) written
  vector_view<T, Memory> temperature{};  ///< (tokens) written

  constexpr status check() const {
    index_t const n = tokens.tokens();
    return requirement()
        .usable("deviation_temperature.logits", logits)
        .also(tokens.check("deviation_temperature.tokens", logits.rows))
        .temperature("deviation_temperature.base", base)
        .positive("deviation_temperature.offset", offset)
        .vector("deviation_temperature.mean", mean, n, "one element a token")
        .vector("deviation_temperature.deviation", deviation, n, "one element a token")
        .vector("deviation_temperature.temperature", temperature, n, "one element a token")
        .answer();
  }
};

/// Completes a logit gradient g that held the temperatures constant, in place:
///
///   g(r, v) -= G(r) base (z(r, v) - mean(i)) / ((V - 1) deviation(i))
///   G(r)     = sum_u g(r, u) z(r, u) / temperature(i)
///
/// Nothing is added where the deviation is 0, nor at masked logits.
template <real T, storage S, storage G, class Memory>
struct deviation_temperature_gradient {
  using memory = Memory;
  deviation_temperature<T, S, Memory> of{};  ///< as in the forward, with its results
  matrix_view<G, Memory> gradient{};         ///< (rows, V) read and written

  constexpr status check() const {
    return requirement()
        .also(of.check())
        .matrix("deviation_temperature_gradient.gradient", gradient, of.logits.rows, of.logits.cols,
                "the shape of logits")
        .answer();
  }
};
}  // namespace mlot::MLOT_SET
