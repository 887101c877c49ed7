#pragma once
#include <cmath>

#include "mlot/core/scalar.hpp"
#include "mlot/core/token_rows.hpp"
/// Loops over the tokens of a batch that are not absent.
namespace mlot::MLOT_SET {
/// Calls use(first, count, end) for the tokens of sequence b that are not absent, up to `most` at a
/// time: `first` of them came before these `count`, the last of which is row end - 1.
template <class Use>
void for_present_tokens(token_rows<> const& tokens, index_t b, index_t most, Use use) {
  index_t first = 0, count = 0, end = 0;
  for (index_t i = tokens.first(b); i < tokens.first(b) + tokens.count(b); ++i) {
    if (tokens.row(i) < 0) continue;
    end = tokens.row(i) + 1;
    if (++count < most) continue;
    use(first, count, end);
    first += count;
    count = 0;
  }
  if (count > 0) use(first, count, end);
}
inline index_t present_tokens(token_rows<> const& tokens, index_t b) {
  index_t present = 0;
  for_present_tokens(tokens, b, tokens.longest,
                     [&](index_t, index_t count, index_t) { present += count; });
  return present;
}

/// Whether all elements of a matrix, or of its rows that are tokens, are finite.
template <storage S>
status finite_elements(char const* argument, host::matrix<S const> m, index_t row) {
  using T = accumulator_t<S>;
  for (index_t c = 0; c < m.cols; ++c)
    if (T const x = load_as<T>(m(row, c)); !(x > -infinity<T> && x < infinity<T>))
      return {fault::data, argument, "finite", as_double(x), row, c};
  return {};
}
template <storage S>
status finite_elements(char const* argument, host::matrix<S const> m) {
  for (index_t i = 0; i < m.rows; ++i)
    if (status const s = finite_elements(argument, m, i); !s.ok()) return s;
  return {};
}
template <storage S>
status finite_elements(char const* argument, host::matrix<S const> m, token_rows<> const& tokens) {
  for (index_t i = 0; i < tokens.tokens(); ++i)
    if (index_t const r = tokens.row(i); r >= 0)
      if (status const s = finite_elements(argument, m, r); !s.ok()) return s;
  return {};
}

/// The root of the unbiased variance of all elements of one or two matrices in the rows that are
/// tokens; 1 where it is 0, exactly so for equal elements, or where there are fewer than two. Of
/// finite elements; without overflow.
template <real T, storage S>
T standard_deviation(token_rows<> const& tokens, host::matrix<S const> first,
                     host::matrix<S const> second = {}) {
  using std::abs, std::sqrt;
  auto const for_each = [&](auto use) {
    for (index_t i = 0; i < tokens.tokens(); ++i) {
      index_t const r = tokens.row(i);
      if (r < 0) continue;
      for (index_t c = 0; c < first.cols; ++c) use(load_as<T>(first(r, c)));
      for (index_t c = 0; c < second.cols; ++c) use(load_as<T>(second(r, c)));
    }
  };
  T largest(0), some(0), count(0);
  for_each([&](T const& x) {
    some = x;
    count += T(1);
    if (T const size = T(abs(x)); size > largest) largest = size;
  });
  if (count < T(2) || largest == T(0)) return T(1);
  T sum(0), squares(0);
  some /= largest;
  for_each([&](T const& x) { sum += x / largest - some; });
  T const mean = sum / count;
  for_each([&](T const& x) {
    T const d = x / largest - some - mean;
    squares += d * d;
  });
  T const deviation = largest * T(sqrt(squares / (count - T(1))));
  return deviation > T(0) ? deviation : T(1);
}
}  // namespace mlot::MLOT_SET
