#include "mlot/core/view.hpp"

#include <numeric>
#include <type_traits>
#include <vector>

#include "test.hpp"
using namespace mlot;

namespace {
template <class View>
constexpr bool goes_to_a_kernel =
    std::is_trivially_copyable_v<View>&& std::is_standard_layout_v<View>;
}
static_assert(goes_to_a_kernel<device::vector<half>> &&
              goes_to_a_kernel<host::vector<float const>>);
static_assert(goes_to_a_kernel<device::matrix<bfloat16>> &&
              goes_to_a_kernel<host::matrix<index_t>>);
static_assert(goes_to_a_kernel<one_or_each<float, device_memory>>);
static_assert(std::is_convertible_v<host::vector<float>, host::vector<float const>>);
static_assert(std::is_convertible_v<host::matrix<half>, host::matrix<half const>>);
static_assert(!std::is_convertible_v<host::vector<float const>, host::vector<float>>);
static_assert(!std::is_convertible_v<host::matrix<float const>, host::matrix<float>>);
static_assert(!std::is_convertible_v<host::vector<float>, device::vector<float>>);
static_assert(!std::is_convertible_v<device::matrix<float>, host::matrix<float const>>);
static_assert(!std::is_convertible_v<host::vector<float>, host::vector<double const>>);

TEST_CASE("a vector's stride counts elements", "[view]") {
  std::vector<double> memory(12);
  std::iota(memory.begin(), memory.end(), 0.);
  host::vector<double> const every_third{memory.data(), 4, 3};
  CHECK(every_third(0) == 0);
  CHECK(every_third(3) == 9);
  every_third(1) = -1;
  CHECK(memory[3] == -1);
  host::vector<double> const backwards{memory.data() + 11, 12, -1};
  CHECK(backwards(0) == 11);
  CHECK(backwards(11) == 0);
  host::vector<double> const repeated{memory.data() + 5, 100, 0};
  CHECK(repeated(99) == 5);
}

TEST_CASE("a matrix has rows and columns of any stride", "[view]") {
  std::vector<int> memory(24);
  std::iota(memory.begin(), memory.end(), 0);
  host::matrix<int> const padded{memory.data(), 3, 5, 8};
  CHECK(padded(0, 0) == 0);
  CHECK(padded(2, 4) == 20);
  CHECK(padded.row(1).size == 5);
  CHECK(padded.row(1)(2) == 10);
  CHECK(padded.column(3).size == 3);
  CHECK(padded.column(3)(2) == 19);
  host::matrix<int> const transposed{memory.data(), 5, 3, 1, 8};
  for (index_t i = 0; i < 3; ++i)
    for (index_t j = 0; j < 5; ++j) CHECK(&transposed(j, i) == &padded(i, j));
  CHECK(&transposed.row(4)(2) == &padded(2, 4));
  host::matrix<int> const last_two = padded.row_range(1, 2);
  CHECK(last_two.rows == 2);
  CHECK(&last_two(1, 4) == &padded(2, 4));
  CHECK(&transposed.row_range(2, 2)(0, 1) == &padded(1, 2));
  CHECK(&padded.column_range(3, 2)(2, 1) == &padded(2, 4));
  CHECK(transposed.column_range(1, 2).cols == 2);
  CHECK(&transposed.column_range(1, 2)(4, 0) == &padded(1, 4));
}

TEST_CASE("a view of constants is made from one of variables and keeps its shape", "[view]") {
  float memory[6] = {1, 2, 3, 4, 5, 6};
  host::matrix<float const> const constant = host::matrix<float>{memory, 2, 2, 3, 2};
  CHECK(constant.rows == 2);
  CHECK(constant(1, 1) == 6);
  host::vector<float const> const row = host::vector<float>{memory + 1, 2, 3};
  CHECK(row.size == 2);
  CHECK(row(1) == 5);
}

TEST_CASE("a view that shows nothing is empty", "[view]") {
  CHECK(host::vector<float>{}.empty());
  CHECK(host::matrix<float>{}.empty());
  CHECK(host::matrix<float>{nullptr, 3, 0}.empty());
  CHECK(host::matrix<float>{nullptr, 0, 3}.empty());
  float one = 1;
  CHECK_FALSE(host::matrix<float>{&one, 1, 1, 1}.empty());
}

TEST_CASE("one_or_each answers the one value unless each is given", "[view]") {
  one_or_each<float, host_memory> const nothing{};
  CHECK(nothing(7) == 0);
  one_or_each<float, host_memory> const one = 2.5f;
  CHECK(one(0) == 2.5f);
  CHECK(one(1000) == 2.5f);
  float const memory[] = {1, 2, 3, 4};
  one_or_each<float, host_memory> const each = host::vector<float const>{memory, 2, 2};
  CHECK(each(0) == 1);
  CHECK(each(1) == 3);
}
