#pragma once
#include <cstddef>
#include <cstring>
#if defined(__SSE2__)
#  include <immintrin.h>
#endif
namespace mlot::on {
/// Bytes that go past the caches in one store: a cache line.
inline constexpr std::size_t streamed_bytes = 64;
/// An output at least this large leaves no cache with anything that its reader would find. Tests
/// set it low: everywhere in a program, or nowhere.
#ifdef MLOT_LEAST_STREAMED_OUTPUT
inline constexpr std::size_t least_streamed_output = MLOT_LEAST_STREAMED_OUTPUT;
#else
inline constexpr std::size_t least_streamed_output = std::size_t(1) << 25;
#endif

/// Copies `lines` lines to `to`, aligned to a line, without reading what is there. Plain stores on
/// instruction sets that have no streaming ones. Visible to other threads after finish_streaming().
inline void stream(void* to, void const* from, std::size_t lines) {
  auto* const out = static_cast<std::byte*>(to);
  auto const* const in = static_cast<std::byte const*>(from);
  for (std::size_t at = 0; at < lines * streamed_bytes; at += streamed_bytes) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(out + at), _mm512_loadu_si512(in + at));
#elif defined(__AVX__)
    for (std::size_t part = at; part < at + streamed_bytes; part += 32)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(out + part),
                          _mm256_loadu_si256(reinterpret_cast<__m256i const*>(in + part)));
#elif defined(__SSE2__)
    for (std::size_t part = at; part < at + streamed_bytes; part += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(out + part),
                       _mm_loadu_si128(reinterpret_cast<__m128i const*>(in + part)));
#else
    std::memcpy(out + at, in + at, streamed_bytes);
#endif
  }
}
inline void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}
}  // namespace mlot::on
