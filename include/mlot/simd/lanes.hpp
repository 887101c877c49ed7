#pragma once
#include <xsimd/xsimd.hpp>

#include "mlot/core/scalar.hpp"
#include "mlot/core/status.hpp"
#include "mlot/simd/half_lanes.hpp"
/// What the kernels need of xsimd. Names that differ between its releases live here and nowhere
/// else; so do the last lanes of a row.
namespace mlot::on {
/// A scalar that has lanes on this architecture.
template <class T>
concept has_lanes = std::same_as<T, float> || std::same_as<T, double>;

template <class T, class Arch>
using lanes_of = xsimd::batch<T, Arch>;

/// Whether a multiply-add rounds once.
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool fuses_multiply_add = true;
#else
inline constexpr bool fuses_multiply_add = false;
#endif

/// x y + z, rounded once where the instruction set can. xsimd 8 has no such version for AVX-512: it
/// multiplies and adds, and a compiler may fuse that in one place and not in another.
template <class Batch>
inline Batch multiply_add(Batch const& x, Batch const& y, Batch const& z) {
#ifdef __AVX512F__
  if constexpr (sizeof(Batch) == 64 && std::same_as<typename Batch::value_type, float>)
    return _mm512_fmadd_ps(x, y, z);
  else if constexpr (sizeof(Batch) == 64)
    return _mm512_fmadd_pd(x, y, z);
  else
#endif
    return xsimd::fma(x, y, z);
}

/// x y, rounded. A plain product may be fused into the sum that it is added to, in one copy of a
/// loop and not in another; this one may not.
template <class Batch>
inline Batch product(Batch const& x, Batch const& y) {
  if constexpr (fuses_multiply_add)
    return multiply_add(x, y, Batch(typename Batch::value_type(-0.0)));
  else
    return x * y;
}

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
typename Batch::value_type fold_lanes(Batch const& x, Fold fold) {
  alignas(64) typename Batch::value_type lane[Batch::size];
  x.store_aligned(lane);
  for (std::size_t half = Batch::size / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lane[l] = fold(lane[l], lane[l + half]);
  return lane[0];
}
template <class Batch>
typename Batch::value_type first_lane(Batch const& x) {
  return fold_lanes(x, [](auto a, auto) { return a; });
}
template <class Batch>
typename Batch::value_type lane_sum(Batch const& x) {
  return fold_lanes(x, [](auto a, auto b) { return a + b; });
}
template <class Batch>
typename Batch::value_type lane_max(Batch const& x) {
  return fold_lanes(x, [](auto a, auto b) { return a < b ? b : a; });
}

/// Which lanes of a batch lie within the row: all, or the first `count`. The last lanes of a row
/// run through the same instructions as the others, so equal elements give equal bits wherever
/// they lie: a tie between two columns stays a tie.
struct all_lanes {};
struct first_lanes {
  index_t count;
};

/// Calls body(offset, which) for a row of `size` elements, batch by batch.
template <class Batch, class Body>
inline void for_lanes(index_t size, Body body) {
  constexpr index_t width = index_t(Batch::size);
  index_t j = 0;
  for (; j + width <= size; j += width) body(j, all_lanes{});
  if (j < size) body(j, first_lanes{size - j});
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
  alignas(64) S lane[Batch::size];
  for (std::size_t l = 0; l < Batch::size; ++l)
    lane[l] = index_t(l) < which.count ? from[l] : store_as<S>(fill);
  return load_lanes<Batch>(lane, all_lanes{});
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
  alignas(64) S lane[Batch::size];
  store_lanes(lane, x, all_lanes{});
  for (index_t l = 0; l < which.count; ++l) to[l] = lane[l];
}
}  // namespace mlot::on
