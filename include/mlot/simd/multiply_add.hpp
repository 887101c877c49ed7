#pragma once
#include <cmath>
#include <concepts>
#include <type_traits>
#include <xsimd/xsimd.hpp>
#if defined(__FMA4__)
#  include <x86intrin.h>
#endif

#include "mlot/core/scalar.hpp"
/// How products and sums round. A compiler may fuse a plain product into the sum that it is added
/// to, in one copy of a loop and not in another: what a promise of same bits hangs on says here
/// which of both it means.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// Whether a multiply-add rounds once, of numbers and of the lanes of every set: where the
/// compiler's flags allow it, since it may then fuse by itself.
#if defined(__FMA__) || defined(__FMA4__) || defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool fuses_multiply_add = true;
#else
inline constexpr bool fuses_multiply_add = false;
#endif

/// x y + z, rounded once where fuses_multiply_add says so, whatever set the lanes are of. xsimd has
/// no such version for the sets without FMA, for what it emulates and, in 8, for AVX-512: it
/// multiplies and adds, and a compiler may fuse that in one place and not in another.
template <class Batch>
inline Batch multiply_add(Batch const& x, Batch const& y, Batch const& z) {
  [[maybe_unused]] constexpr bool in_float = std::same_as<typename Batch::value_type, float>;
#ifdef __AVX512F__
  if constexpr (sizeof(Batch) == 64 && in_float) return _mm512_fmadd_ps(x, y, z);
  if constexpr (sizeof(Batch) == 64 && !in_float) return _mm512_fmadd_pd(x, y, z);
#  ifndef __FMA__  // for g++ the one does not bring the other
  if constexpr (sizeof(Batch) == 32 && in_float)
    return _mm512_castps512_ps256(_mm512_fmadd_ps(
        _mm512_castps256_ps512(x), _mm512_castps256_ps512(y), _mm512_castps256_ps512(z)));
  if constexpr (sizeof(Batch) == 32 && !in_float)
    return _mm512_castpd512_pd256(_mm512_fmadd_pd(
        _mm512_castpd256_pd512(x), _mm512_castpd256_pd512(y), _mm512_castpd256_pd512(z)));
  if constexpr (sizeof(Batch) == 16 && in_float)
    return _mm512_castps512_ps128(_mm512_fmadd_ps(
        _mm512_castps128_ps512(x), _mm512_castps128_ps512(y), _mm512_castps128_ps512(z)));
  if constexpr (sizeof(Batch) == 16 && !in_float)
    return _mm512_castpd512_pd128(_mm512_fmadd_pd(
        _mm512_castpd128_pd512(x), _mm512_castpd128_pd512(y), _mm512_castpd128_pd512(z)));
#  endif
#endif
#if defined(__FMA4__) && !defined(__FMA__)
  if constexpr (sizeof(Batch) == 32 && in_float) return _mm256_macc_ps(x, y, z);
  if constexpr (sizeof(Batch) == 32 && !in_float) return _mm256_macc_pd(x, y, z);
  if constexpr (sizeof(Batch) == 16 && in_float) return _mm_macc_ps(x, y, z);
  if constexpr (sizeof(Batch) == 16 && !in_float) return _mm_macc_pd(x, y, z);
#endif
#ifdef __FMA__
  if constexpr (sizeof(Batch) == 32 && in_float) return _mm256_fmadd_ps(x, y, z);
  if constexpr (sizeof(Batch) == 32 && !in_float) return _mm256_fmadd_pd(x, y, z);
  if constexpr (sizeof(Batch) == 16 && in_float) return _mm_fmadd_ps(x, y, z);
  if constexpr (sizeof(Batch) == 16 && !in_float) return _mm_fmadd_pd(x, y, z);
#endif
#if !defined(__FMA__) && !defined(__FMA4__) && !defined(__AVX512F__)
  return xsimd::fma(x, y, z);
#endif
}

/// The same of lanes that are an array.
template <class Batch>
requires(fuses_multiply_add&& std::is_class_v<typename Batch::register_type>) inline Batch
    multiply_add(Batch const& x, Batch const& y, Batch const& z) {
  alignas(64) typename Batch::value_type a[Batch::size], b[Batch::size], sum[Batch::size];
  x.store_aligned(a), y.store_aligned(b), z.store_aligned(sum);
  for (std::size_t l = 0; l < Batch::size; ++l) sum[l] = std::fma(a[l], b[l], sum[l]);
  return Batch::load_aligned(sum);
}

template <class Batch>
concept in_one_register = !std::is_class_v<typename Batch::register_type>;

/// x y, rounded. A plain product may be fused into the sum that it is added to, in one copy of a
/// loop and not in another; this one may not: a compiler does not see what an asm leaves in a
/// register, even if that does nothing.
template <class Batch>
inline Batch product(Batch const& x, Batch const& y) {
  if constexpr (!fuses_multiply_add) {
    return x * y;
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
  } else if constexpr (in_one_register<Batch>) {
    typename Batch::register_type rounded = x * y;
#  ifdef __x86_64__
    asm("" : "+v"(rounded));
#  else
    asm("" : "+w"(rounded));
#  endif
    return rounded;
#endif
  } else {
    return multiply_add(x, y, Batch(typename Batch::value_type(-0.0)));
  }
}

/// The same of numbers.
template <std::floating_point T>
inline T multiply_add(T const& x, T const& y, T const& z) {
  if constexpr (fuses_multiply_add)
    return std::fma(x, y, z);
  else
    return x * y + z;
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
