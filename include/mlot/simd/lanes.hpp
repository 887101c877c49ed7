#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <xsimd/xsimd.hpp>

#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
#include "mlot/simd/half_lanes.hpp"
#include "mlot/simd/multiply_add.hpp"
/// What the kernels need of xsimd. Names that differ between its releases live here and nowhere
/// else; so do the last lanes of a row.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// A scalar that has lanes on this architecture.
template <class T>
concept has_lanes = std::same_as<T, float> || std::same_as<T, double>;

template <class T, class Arch>
using lanes_of = xsimd::batch<T, Arch>;

/// sum + x in the lanes where `which` holds, sum in the others.
template <class Batch, class Condition>
inline Batch add_where(Condition const& which, Batch const& sum, Batch const& x) {
#ifdef __AVX512F__
  if constexpr (sizeof(Batch) == 64 && std::same_as<typename Batch::value_type, float>)
    return _mm512_mask_add_ps(sum, which, sum, x);
  else if constexpr (sizeof(Batch) == 64)
    return _mm512_mask_add_pd(sum, which, sum, x);
  else
#endif
    return sum + xsimd::select(which, x, Batch(0));
}

/// The bits of `x` as lanes of U, which is as wide. (Since xsimd 11 its bitwise_cast takes the type
/// of an element, before it took that of a batch.)
template <class U, class Batch>
inline xsimd::batch<U, typename Batch::arch_type> bits_as(Batch const& x) {
  using result = xsimd::batch<U, typename Batch::arch_type>;
  if constexpr (XSIMD_VERSION_MAJOR >= 11)
    return xsimd::bitwise_cast<U>(x);
  else
    return xsimd::bitwise_cast<result>(x);
}

/// Folds the lanes in halves: the same order on every architecture of one width. (xsimd names this
/// differently from release to release, and gcc 12 warns inside its AVX-512 version.)
template <class Batch, class Fold>
inline typename Batch::value_type fold_lanes(Batch const& x, Fold fold) {
#ifdef __AVX512F__
  if constexpr (sizeof(Batch) == 64 && std::same_as<typename Batch::value_type, float>) {
    __m512 const all = x;
    __m256 const eight = fold(_mm512_castps512_ps256(all),
                              _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1)));
    __m128 const four = fold(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 const two = fold(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(fold(two, _mm_movehdup_ps(two)));
  } else if constexpr (sizeof(Batch) == 64) {
    __m512d const all = x;
    __m256d const four = fold(_mm512_castpd512_pd256(all), _mm512_extractf64x4_pd(all, 1));
    __m128d const two = fold(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(fold(two, _mm_unpackhi_pd(two, two)));
  } else
#endif
  {
    alignas(64) typename Batch::value_type lane[Batch::size];
    x.store_aligned(lane);
    for (std::size_t half = Batch::size / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) lane[l] = fold(lane[l], lane[l + half]);
    return lane[0];
  }
}
template <class Batch>
typename Batch::value_type first_lane(Batch const& x) {
  return fold_lanes(x, [](auto a, auto) { return a; });
}
template <class Batch>
typename Batch::value_type lane_sum(Batch const& x) {
  return fold_lanes(x, [](auto a, auto b) -> decltype(a) { return a + b; });
}
template <class Batch>
typename Batch::value_type lane_max(Batch const& x) {
  return fold_lanes(x, [](auto a, auto b) -> decltype(a) { return a < b ? b : a; });
}

/// Which lanes of a batch lie within the row: all, or the first `count`. The last lanes of a row
/// run through the same instructions as the others, so equal elements give equal bits wherever
/// they lie: a tie between two columns stays a tie.
struct all_lanes {};
struct first_lanes {
  index_t count;
};

/// The first lanes of a batch under a mask, where the instruction set has one for its numbers.
template <class Batch>
struct lane_mask {
  static constexpr bool exists = false;
};
#ifdef __AVX__
template <class Batch>
requires(sizeof(Batch) == 32) struct lane_mask<Batch> {
  static constexpr bool exists = true;
  using T = typename Batch::value_type;
  static __m256i of(first_lanes which) {
    static constexpr std::int32_t bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    index_t const words = which.count * index_t(sizeof(T) / sizeof(std::int32_t));
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(bits + 8 - words));
  }
  static Batch load(T const* from, first_lanes which, Batch const& fill) {
    __m256i const mask = of(which);
    if constexpr (sizeof(T) == 4)
      return _mm256_blendv_ps(fill, _mm256_maskload_ps(from, mask), _mm256_castsi256_ps(mask));
    else
      return _mm256_blendv_pd(fill, _mm256_maskload_pd(from, mask), _mm256_castsi256_pd(mask));
  }
  static Batch keep(Batch const& x, first_lanes which) {
    if constexpr (sizeof(T) == 4)
      return _mm256_and_ps(x, _mm256_castsi256_ps(of(which)));
    else
      return _mm256_and_pd(x, _mm256_castsi256_pd(of(which)));
  }
  static void store(T* to, Batch const& x, first_lanes which) {
    // What a masked store writes is not forwarded to the loads that follow it.
    if (which.count == index_t(Batch::size))
      x.store_unaligned(to);
    else if constexpr (sizeof(T) == 4)
      _mm256_maskstore_ps(to, of(which), x);
    else
      _mm256_maskstore_pd(to, of(which), x);
  }
};
#endif
#ifdef __AVX512F__
template <class Batch>
requires(sizeof(Batch) == 64) struct lane_mask<Batch> {
  static constexpr bool exists = true;
  using T = typename Batch::value_type;
  static std::uint32_t of(first_lanes which) { return (1u << which.count) - 1; }
  static Batch load(T const* from, first_lanes which, Batch const& fill) {
    if constexpr (sizeof(T) == 4)
      return _mm512_mask_loadu_ps(fill, __mmask16(of(which)), from);
    else
      return _mm512_mask_loadu_pd(fill, __mmask8(of(which)), from);
  }
  static Batch keep(Batch const& x, first_lanes which) {
    if constexpr (sizeof(T) == 4)
      return _mm512_maskz_mov_ps(__mmask16(of(which)), x);
    else
      return _mm512_maskz_mov_pd(__mmask8(of(which)), x);
  }
  static void store(T* to, Batch const& x, first_lanes which) {
    if (which.count == index_t(Batch::size))  // for the same reason
      x.store_unaligned(to);
    else if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_ps(to, __mmask16(of(which)), x);
    else
      _mm512_mask_storeu_pd(to, __mmask8(of(which)), x);
  }
};
#endif

/// Calls body(offset, which) for a row of `size` elements, batch by batch.
template <class Batch, class Body>
inline void for_lanes(index_t size, Body body) {
  constexpr index_t width = index_t(Batch::size);
  index_t j = 0;
  for (; j + width <= size; j += width) body(j, all_lanes{});
  if (j < size) body(j, first_lanes{size - j});
}

/// The same for what is worth one copy of the body alone: where the instruction set has masks, all
/// batches run as the last one does.
template <class Batch, class Body>
inline void for_few_lanes(index_t size, Body body) {
  constexpr index_t width = index_t(Batch::size);
  if constexpr (lane_mask<Batch>::exists)
    for (index_t j = 0; j < size; j += width) body(j, first_lanes{(std::min)(width, size - j)});
  else
    for_lanes<Batch>(size, body);
}

/// Loads stored values as lanes of arithmetic type; lanes outside the row hold `fill`.
template <class Batch, storage S>
inline Batch load_lanes(S const* from, all_lanes, typename Batch::value_type = 0) {
  using T = typename Batch::value_type;
  if constexpr (std::same_as<S, T>) {
    return Batch::load_unaligned(from);
  } else if constexpr (has_half_lanes<Batch, S>) {
    return widen_lanes<Batch>(from);
  } else {
    alignas(64) T lane[Batch::size];
    for (std::size_t l = 0; l < Batch::size; ++l) lane[l] = load_as<T>(from[l]);
    return Batch::load_aligned(lane);
  }
}
template <class Batch, storage S>
inline Batch load_lanes(S const* from, first_lanes which, typename Batch::value_type fill = 0) {
  if constexpr (lane_mask<Batch>::exists && std::same_as<S, typename Batch::value_type>) {
    return lane_mask<Batch>::load(from, which, Batch(fill));
  } else {
    alignas(64) S lane[Batch::size];
    std::fill_n(lane, Batch::size, store_as<S>(fill));
    std::memcpy(lane, from, std::size_t(which.count) * sizeof(S));
    return load_lanes<Batch>(lane, all_lanes{});
  }
}

/// x in the lanes within the row, 0 in the others.
template <class Batch>
inline Batch lanes_within(Batch const& x, all_lanes) {
  return x;
}
template <class Batch>
inline Batch lanes_within(Batch const& x, first_lanes which) {
  if constexpr (lane_mask<Batch>::exists) {
    return lane_mask<Batch>::keep(x, which);
  } else {
    using T = typename Batch::value_type;
    alignas(64) T lane[Batch::size];
    x.store_aligned(lane);
    std::fill_n(lane + which.count, index_t(Batch::size) - which.count, T(0));
    return Batch::load_aligned(lane);
  }
}

/// Stores lanes as values of S, rounded to nearest; lanes outside the row are not touched.
template <class Batch, storage S>
inline void store_lanes(S* to, Batch const& x, all_lanes) {
  using T = typename Batch::value_type;
  if constexpr (std::same_as<S, T>) {
    x.store_unaligned(to);
  } else if constexpr (has_half_lanes<Batch, S>) {
    narrow_lanes(to, x);
  } else {
    alignas(64) T lane[Batch::size];
    x.store_aligned(lane);
    for (std::size_t l = 0; l < Batch::size; ++l) to[l] = store_as<S>(lane[l]);
  }
}
template <class Batch, storage S>
inline void store_lanes(S* to, Batch const& x, first_lanes which) {
  if constexpr (lane_mask<Batch>::exists && std::same_as<S, typename Batch::value_type>) {
    lane_mask<Batch>::store(to, x, which);
  } else {
    alignas(64) S lane[Batch::size];
    store_lanes(lane, x, all_lanes{});
    std::memcpy(to, lane, std::size_t(which.count) * sizeof(S));
  }
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
