#pragma once
#include <cstddef>
#include <cstring>
#if defined(__SSE2__)
#  include <immintrin.h>
#endif

#include "mlot/core/instruction_set.hpp"
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
/// An output at least this large leaves no cache with anything that its reader would find. Tests
/// set it low: everywhere in a program, or nowhere.
#ifdef MLOT_LEAST_STREAMED_OUTPUT
inline constexpr std::size_t least_streamed_output = MLOT_LEAST_STREAMED_OUTPUT;
#else
inline constexpr std::size_t least_streamed_output = std::size_t(1) << 25;
#endif

/// Stores 8, 16, 32 or 64 bytes, at an address that their number divides, past the caches and
/// without reading what is there. A plain store on instruction sets that have no such one. Visible
/// to other threads after finish_streaming().
template <std::size_t Bytes>
inline void stream(void* to, void const* from) {
#if defined(__AVX512F__)
  if constexpr (Bytes == 64)
    return _mm512_stream_si512(static_cast<__m512i*>(to), _mm512_loadu_si512(from));
#endif
#if defined(__AVX__)
  if constexpr (Bytes == 32)
    return _mm256_stream_si256(static_cast<__m256i*>(to),
                               _mm256_loadu_si256(static_cast<__m256i const*>(from)));
#endif
#if defined(__SSE2__)
  if constexpr (Bytes == 16)
    return _mm_stream_si128(static_cast<__m128i*>(to),
                            _mm_loadu_si128(static_cast<__m128i const*>(from)));
#endif
#if defined(__x86_64__)
  if constexpr (Bytes == 8) {
    long long bits;
    std::memcpy(&bits, from, sizeof bits);
    return _mm_stream_si64(static_cast<long long*>(to), bits);
  }
#endif
  std::memcpy(to, from, Bytes);
}
inline void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
