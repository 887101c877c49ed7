#pragma once
#include <tuple>
#include <utility>

#include "steps.hpp"
namespace bench {
/// How far two devices may differ, relative to the norm of an array: twice what each promises
/// against float64; one unit in the last place for what is only stored; nothing for ids.
template <class T>
inline constexpr double tolerance = 0;
template <>
inline constexpr double tolerance<float> = 2e-5;
template <>
inline constexpr double tolerance<double> = 2e-10;
template <>
inline constexpr double tolerance<mlot::half> = 0x1p-10;
template <>
inline constexpr double tolerance<mlot::bfloat16> = 0x1p-7;

template <class T>
double as_number(T x) {
  if constexpr (std::is_integral_v<T>)
    return double(x);
  else
    return double(mlot::load_as<mlot::accumulator_t<T>>(x));
}

/// An array of zeros agrees with nothing: where nothing was computed, nothing was compared.
template <class T>
bool agree(array<T> const& is, array<T> const& should) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < should.size(); ++i) {
    double const wanted = as_number(should[i]), difference = as_number(is[i]) - wanted;
    error += difference * difference;
    norm += wanted * wanted;
  }
  return norm > 0 && error <= tolerance<T> * tolerance<T> * norm;
}

template <class... T>
std::tuple<T...> copies(std::tuple<T&...> const& arrays) {
  return arrays;
}

/// Computes a case on the scalar device, then on the simd device, and compares all that they wrote.
/// Why it must not be timed, or null.
template <class Case>
char const* fault_of(Case& one) {
  auto const results = one.results();
  if (!steps_on(mlot::on::scalar{}, one.steps()).compute().ok()) return "the scalar device refused";
  auto const wanted = copies(results);
  std::apply([](auto&... arrays) { (arrays.assign(arrays.size(), {}), ...); }, results);
  if (!steps_on(mlot::on::simd<>{}, one.steps()).compute().ok()) return "the simd device refused";
  auto const all_agree = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (agree(std::get<I>(results), std::get<I>(wanted)) && ...);
  };
  return all_agree(std::make_index_sequence<std::tuple_size_v<decltype(wanted)>>{})
             ? nullptr
             : "the simd device disagrees with the scalar one";
}
}  // namespace bench
