#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mlot/core/view.hpp>
#include <new>
#include <numeric>
#include <random>
#include <vector>
namespace bench {
using mlot::index_t;

/// Memory that begins on a cache line, as the tensors of frameworks do.
template <class T>
struct cache_aligned {
  using value_type = T;
  cache_aligned() = default;
  template <class U>
  cache_aligned(cache_aligned<U> const&) {}
  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* memory, std::size_t) { ::operator delete (memory, std::align_val_t{64}); }
  bool operator==(cache_aligned const&) const = default;
};
template <class T>
using array = std::vector<T, cache_aligned<T>>;

template <class T>
mlot::host::vector<T> view(array<T>& of) {
  return {of.data(), index_t(of.size())};
}
/// (rows, columns) from as many elements.
template <class T>
mlot::host::matrix<T> view(array<T>& of, index_t rows, index_t columns) {
  return {of.data(), rows, columns, columns};
}

/// Logits (rows, V) like a language model's: a bias by Zipf's law that all rows share, normal noise
/// of deviation 2, and one id that gets a good part of the row's probability. (Nearly all of it
/// would give the ids of many rows the same mass: two devices could rank them differently.)
template <mlot::storage S>
array<S> random_logits(index_t rows, index_t vocabulary, unsigned seed) {
  constexpr std::size_t period = 1 << 20;
  static array<float> const noise = [] {  // rows begin anywhere in it
    array<float> all(period);
    std::mt19937 random(0);
    std::normal_distribution<float> normal(0, 2);
    for (float& x : all) x = normal(random);
    return all;
  }();
  std::mt19937 random(seed);
  array<float> bias(vocabulary);
  for (index_t v = 0; v < vocabulary; ++v) bias[v] = -std::log(float(v + 1));
  std::shuffle(bias.begin(), bias.end(), random);
  array<S> logits(rows * vocabulary);
  for (index_t r = 0; r < rows; ++r) {
    std::size_t const begin = random() % period;
    index_t const sure = random() % vocabulary;
    for (index_t v = 0; v < vocabulary; ++v) {
      float const z = (v == sure ? 4.f : bias[v]) + noise[(begin + std::size_t(v)) % period];
      logits[r * vocabulary + v] = mlot::store_as<S>(mlot::accumulator_t<S>(z));
    }
  }
  return logits;
}

/// A table (rows, K) of probabilities: the softmax of such logits.
template <mlot::real T>
array<T> random_probabilities(index_t rows, index_t columns, unsigned seed) {
  auto table = random_logits<T>(rows, columns, seed);
  for (index_t r = 0; r < rows; ++r) {
    T *const first = &table[r * columns], *const last = first + columns;
    std::transform(first, last, first, [](T z) { return std::exp(z); });
    T const sum = std::accumulate(first, last, T(0));
    std::transform(first, last, first, [&](T e) { return e / sum; });
  }
  return table;
}

inline array<index_t> random_labels(index_t rows, index_t vocabulary, unsigned seed) {
  std::mt19937 random(seed);
  array<index_t> labels(rows);
  for (index_t& label : labels) label = random() % vocabulary;
  return labels;
}

/// Normally distributed numbers, for gradients that come from above.
template <mlot::real T>
array<T> random_numbers(index_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal;
  array<T> all(count);
  for (T& x : all) x = normal(random);
  return all;
}
}  // namespace bench
