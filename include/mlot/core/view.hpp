#pragma once
#include <concepts>
#include <type_traits>

#include "mlot/core/macros.hpp"
#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
namespace mlot::MLOT_SET {
struct host_memory {};
struct device_memory {};

/// A borrowed vector (size). Strides count elements, never bytes; 0 repeats one element.
template <class T, class Memory>
struct vector_view {
  static_assert(storage<T> || std::integral<std::remove_const_t<T>>,
                "mlot: a view holds floating-point, half, bfloat16 or integer elements; give "
                "scalar_traits to a number type of your own");
  using memory = Memory;
  T* data = nullptr;
  index_t size = 0, stride = 1;
  MLOT_HOST_DEVICE constexpr T& operator()(index_t i) const { return data[i * stride]; }
  MLOT_HOST_DEVICE constexpr bool empty() const { return size == 0; }
  template <std::same_as<T const> U>
  requires(!std::is_const_v<T>) constexpr operator vector_view<U, Memory>() const {
    return {data, size, stride};
  }
};

/// A borrowed matrix (rows, cols), same stride rule. Owns nothing; pass it by value.
template <class T, class Memory>
struct matrix_view {
  static_assert(storage<T> || std::integral<std::remove_const_t<T>>,
                "mlot: a view holds floating-point, half, bfloat16 or integer elements; give "
                "scalar_traits to a number type of your own");
  using memory = Memory;
  T* data = nullptr;
  index_t rows = 0, cols = 0, row_stride = 0, col_stride = 1;
  MLOT_HOST_DEVICE constexpr T& operator()(index_t i, index_t j) const {
    return data[i * row_stride + j * col_stride];
  }
  MLOT_HOST_DEVICE constexpr bool empty() const { return rows == 0 || cols == 0; }
  MLOT_HOST_DEVICE constexpr vector_view<T, Memory> row(index_t i) const {
    return {at(i * row_stride), cols, col_stride};
  }
  MLOT_HOST_DEVICE constexpr vector_view<T, Memory> column(index_t j) const {
    return {at(j * col_stride), rows, row_stride};
  }
  /// The element `offset` past the first, or null in a view that only has a shape.
  MLOT_HOST_DEVICE constexpr T* at(index_t offset) const {
    return data == nullptr ? nullptr : data + offset;
  }
  /// Rows first .. first + count - 1.
  MLOT_HOST_DEVICE constexpr matrix_view row_range(index_t first, index_t count) const {
    return {at(first * row_stride), count, cols, row_stride, col_stride};
  }
  /// Columns first .. first + count - 1.
  MLOT_HOST_DEVICE constexpr matrix_view column_range(index_t first, index_t count) const {
    return {at(first * col_stride), rows, count, row_stride, col_stride};
  }
  template <std::same_as<T const> U>
  requires(!std::is_const_v<T>) constexpr operator matrix_view<U, Memory>() const {
    return {data, rows, cols, row_stride, col_stride};
  }
};
static_assert(std::is_trivially_copyable_v<matrix_view<float, device_memory>>);
static_assert(std::is_standard_layout_v<matrix_view<float, device_memory>>);
static_assert(std::is_trivially_copyable_v<vector_view<half, host_memory>>);

/// One value for all, or one value each: `each` wins where it is not empty.
template <real T, class Memory>
struct one_or_each {
  T one{};
  vector_view<T const, Memory> each{};
  constexpr one_or_each() = default;
  constexpr one_or_each(T value) : one(value) {}
  /// Of an empty list `one` is read by checks alone, for which 1 is right whatever it is.
  constexpr one_or_each(vector_view<T const, Memory> values) : one(1), each(values) {}
  MLOT_HOST_DEVICE constexpr T operator()(index_t i) const { return each.empty() ? one : each(i); }
};

/// Whether one of these views was given: has memory, or the shape of what will be there.
template <class... Views>
MLOT_HOST_DEVICE constexpr bool any_given(Views const&... views) {
  return ((views.data != nullptr || !views.empty()) || ...);
}

/// Views without the memory parameter: mlot::host::matrix<float>.
namespace host {
template <class T>
using vector = vector_view<T, host_memory>;
template <class T>
using matrix = matrix_view<T, host_memory>;
}  // namespace host
namespace device {
template <class T>
using vector = vector_view<T, device_memory>;
template <class T>
using matrix = matrix_view<T, device_memory>;
}  // namespace device
}  // namespace mlot::MLOT_SET
