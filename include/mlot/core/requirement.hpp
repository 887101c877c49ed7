#pragma once
#include <initializer_list>
#include <limits>
#include <type_traits>

#include "mlot/core/view.hpp"
namespace mlot::MLOT_SET {
/// A factor of a product of options, and the name of its argument.
template <real T>
struct weight_factor {
  char const* argument;
  T value;
  bool divides = false;  ///< a temperature, a divisor
};
/// A list of requirements on a primitive's arguments; answers the first that fails.
///
///     return requirement()
///         .vector("soft_min.out", out, cost.rows, "one element a row of cost")
///         .positive("soft_min.epsilon", epsilon)
///         .answer();
class requirement {
 public:
  constexpr status answer() const { return first_; }
  [[gnu::noinline]] constexpr requirement& that(bool holds, fault code, char const* argument,
                                                double value, char const* allowed) {
    if (first_.ok() && !holds) first_ = {code, argument, allowed, value};
    return *this;
  }
  /// `given` of what `axis` names: as many as `needed`.
  [[gnu::noinline]] constexpr requirement& count(char const* argument, index_t given,
                                                 index_t needed, char const* axis,
                                                 char const* allowed) {
    return count(given == needed, argument, given, needed, axis, allowed);
  }
  /// The same where another number may do, or none: `needed` is then -1.
  [[gnu::noinline]] constexpr requirement& count(bool holds, char const* argument, index_t given,
                                                 index_t needed, char const* axis,
                                                 char const* allowed) {
    if (first_.ok() && !holds)
      first_ = {fault::shape, argument, allowed, double(given), -1, -1, axis, needed};
    return *this;
  }
  [[gnu::noinline]] constexpr requirement& pointer(char const* argument, bool given) {
    if (first_.ok() && !given) first_ = null_pointer(argument);
    return *this;
  }
  /// A vector of exactly `size` elements, with memory behind them.
  template <class T, class M>
  constexpr requirement& vector(char const* argument, vector_view<T, M> const& v, index_t size,
                                char const* allowed) {
    return vector(argument, shape_of(v), size, allowed);
  }
  /// A vector of exactly `size` elements, or an empty one where the argument is not given.
  template <class T, class M>
  constexpr requirement& optional(char const* argument, vector_view<T, M> const& v, index_t size,
                                  char const* allowed) {
    return optional(argument, shape_of(v), size, allowed);
  }
  /// Offsets (B + 1) of sequences in an array: from 0 to `last`, never falling. Device memory is
  /// not read.
  template <class M>
  [[gnu::noinline]] constexpr requirement& offsets(char const* argument,
                                                   vector_view<index_t const, M> const& v,
                                                   index_t last) {
    if constexpr (std::is_same_v<M, host_memory>) {
      if (!first_.ok() || v.empty()) return *this;
      that(v(0) == 0, fault::shape, argument, double(v(0)), "offsets from 0");
      for (index_t b = 1; b < v.size; ++b)
        that(v(b) >= v(b - 1), fault::shape, argument, double(v(b)), "offsets that never fall");
      that(v(v.size - 1) == last, fault::shape, argument, double(v(v.size - 1)),
           "a last offset equal to the number of tokens");
    }
    return *this;
  }
  template <class T, class M>
  constexpr requirement& each(char const* argument, one_or_each<T, M> const& v, index_t size,
                              char const* allowed) {
    return optional(argument, v.each, size, allowed);
  }
  /// A matrix of exactly `rows` x `cols`, with memory behind it.
  template <class T, class M>
  constexpr requirement& matrix(char const* argument, matrix_view<T, M> const& m, index_t rows,
                                index_t cols, char const* allowed) {
    return matrix(argument, shape_of(m), rows, cols, cols, allowed);
  }
  template <class T, class M>
  constexpr requirement& optional(char const* argument, matrix_view<T, M> const& m, index_t rows,
                                  index_t cols, char const* allowed) {
    return m.data == nullptr ? *this : matrix(argument, shape_of(m), rows, cols, cols, allowed);
  }
  /// A matrix with `rows` rows and at least `cols` columns.
  template <class T, class M>
  constexpr requirement& at_least(char const* argument, matrix_view<T, M> const& m, index_t rows,
                                  index_t cols, char const* allowed) {
    return matrix(argument, shape_of(m), rows, cols, max_index, allowed);
  }
  /// Any matrix whose shape and memory are sane. A written one must not map two elements to one.
  template <class T, class M>
  constexpr requirement& usable(char const* argument, matrix_view<T, M> const& m) {
    return usable(argument, shape_of(m));
  }
  template <real T>
  constexpr requirement& positive(char const* argument, T const& x) {
    return that(x > T(0) && x < infinity<T>, fault::value, argument, as_double(x),
                "finite and above 0");
  }
  /// A divisor of exponents: a temperature, an epsilon.
  template <real T>
  [[gnu::noinline]] constexpr requirement& temperature(char const* argument, T const& x) {
    return that(x > T(0) && x < infinity<T> && T(1) / x < infinity<T>, fault::value, argument,
                as_double(x), "finite and above 0, with a finite reciprocal");
  }
  /// One temperature, or one a token: (size) each. Device memory is not read.
  template <real T, class M>
  [[gnu::noinline]] constexpr requirement& temperatures(char const* argument,
                                                        one_or_each<T, M> const& tau,
                                                        index_t size) {
    if (tau.each.data == nullptr) return temperature(argument, tau.one);
    vector(argument, tau.each, size, "one element a token");
    if constexpr (std::is_same_v<M, host_memory>)
      for (index_t i = 0; i < size && first_.ok(); ++i) {
        temperature(argument, tau.each(i));
        if (!first_.ok()) first_.row = i;
      }
    return *this;
  }
  template <real T>
  constexpr requirement& finite(char const* argument, T const& x) {
    return that(x > -infinity<T> && x < infinity<T>, fault::value, argument, as_double(x),
                "finite");
  }
  /// One finite weight, or one each: (size). Device memory is not read.
  template <real T, class M>
  [[gnu::noinline]] constexpr requirement& weights(char const* argument,
                                                   one_or_each<T, M> const& weight, index_t size,
                                                   char const* allowed) {
    each(argument, weight, size, allowed);
    if (weight.each.empty()) return finite(argument, weight.one);
    if constexpr (std::is_same_v<M, host_memory>)
      for (index_t i = 0; i < size && first_.ok(); ++i) {
        finite(argument, weight.each(i));
        if (!first_.ok()) first_.row = i;
      }
    return *this;
  }
  /// A weight in a gradient, the product of options, which multiplies at most `most` in any of its
  /// elements. What an element then holds at most is added to `sum`, and has to stay finite. A
  /// fault names the factor that makes the product largest.
  template <real T>
  [[gnu::noinline]] constexpr requirement& product(std::initializer_list<weight_factor<T>> of,
                                                   T const& weight, double most, T& sum) {
    sum += T(T(weight < T(0) ? T(-weight) : weight) * T(most));
    if (!first_.ok() || sum < infinity<T>) return *this;
    auto const size = [](weight_factor<T> const& f) {
      double const x = as_double(f.value) < 0 ? -as_double(f.value) : as_double(f.value);
      return f.divides ? 1 / x : x;
    };
    weight_factor<T> largest = *of.begin();
    for (weight_factor<T> const& f : of)
      if (size(f) > size(largest)) largest = f;
    return that(false, fault::value, largest.argument, as_double(largest.value),
                "one whose product with the loss's other weights is finite");
  }
  template <real T>
  constexpr requirement& non_negative(char const* argument, T const& x) {
    return that(x >= T(0) && x < infinity<T>, fault::value, argument, as_double(x),
                "finite and at least 0");
  }
  constexpr requirement& at_least(char const* argument, index_t x, index_t least,
                                  char const* allowed) {
    return that(x >= least, fault::value, argument, double(x), allowed);
  }
  /// The outcome of a check made elsewhere.
  constexpr requirement& also(status const& other) {
    if (first_.ok()) first_ = other;
    return *this;
  }

 private:
  static constexpr index_t max_index = (std::numeric_limits<index_t>::max)();
  /// A view without its types.
  struct vector_shape {
    index_t size, stride;
    bool lent, written;
  };
  struct matrix_shape {
    index_t rows, cols, row_stride, col_stride;
    bool lent, written;
  };
  template <class T, class M>
  static constexpr vector_shape shape_of(vector_view<T, M> const& v) {
    return {v.size, v.stride, v.data != nullptr, !std::is_const_v<T>};
  }
  template <class T, class M>
  static constexpr matrix_shape shape_of(matrix_view<T, M> const& m) {
    return {m.rows, m.cols, m.row_stride, m.col_stride, m.data != nullptr, !std::is_const_v<T>};
  }
  [[gnu::noinline]] constexpr requirement& optional(char const* argument, vector_shape v,
                                                    index_t size, char const* allowed) {
    return v.size == 0 ? *this : vector(argument, v, size, allowed);
  }
  [[gnu::noinline]] constexpr requirement& vector(char const* argument, vector_shape v,
                                                  index_t size, char const* allowed) {
    count(argument, v.size, size, "elements", allowed);
    if (v.written)
      that(v.size <= 1 || v.stride != 0, fault::shape, argument, 0, "a stride that is not 0");
    return pointer(argument, v.size == 0 || v.lent);
  }
  [[gnu::noinline]] constexpr requirement& matrix(char const* argument, matrix_shape const& m,
                                                  index_t rows, index_t least, index_t most,
                                                  char const* allowed) {
    count(argument, m.rows, rows, "rows", allowed);
    count(m.cols >= least && m.cols <= most, argument, m.cols, least, "columns", allowed);
    return usable(argument, m);
  }
  [[gnu::noinline]] constexpr requirement& usable(char const* argument, matrix_shape const& m) {
    bool const empty = m.rows == 0 || m.cols == 0;
    count(m.rows >= 0, argument, m.rows, -1, "rows", "at least 0");
    count(m.cols >= 0, argument, m.cols, -1, "columns", "at least 0");
    pointer(argument, empty || m.lent);
    if (!m.written) return *this;
    bool const by_rows = m.row_stride >= m.cols * m.col_stride && m.col_stride > 0;
    bool const by_columns = m.col_stride >= m.rows * m.row_stride && m.row_stride > 0;
    return that(empty || (m.rows == 1 && (m.cols == 1 || m.col_stride != 0)) ||
                    (m.cols == 1 && m.row_stride != 0) || by_rows || by_columns,
                fault::shape, argument, double(m.row_stride), "a row stride without overlap");
  }
  status first_;
};
}  // namespace mlot::MLOT_SET
