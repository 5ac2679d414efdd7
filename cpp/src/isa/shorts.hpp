// Vectors of 16-bit numbers at the width of the instruction level, for row loops that multiply and add pairs.
//
// Everything has internal linkage: each level compiles its own.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>

namespace rapidmask {
namespace {

// `from` is the vector that starts 2 kPairsOn numbers into a, b.
#if defined(__AVX512BW__)
using Shorts = __m512i;
inline Shorts load(const std::int16_t* p) { return _mm512_loadu_si512(p); }
inline Shorts widen(const std::uint8_t* p, std::uint8_t flip) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_cvtepi8_epi16(_mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(flip))));
}
inline Shorts repeat(std::int32_t value) { return _mm512_set1_epi32(value); }
inline Shorts low_pairs(Shorts a, Shorts b) { return _mm512_unpacklo_epi16(a, b); }
inline Shorts high_pairs(Shorts a, Shorts b) { return _mm512_unpackhi_epi16(a, b); }
inline Shorts multiply_add(Shorts pairs, Shorts weights, Shorts sum) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, weights));
}
inline Shorts narrow(Shorts low, Shorts high) { return _mm512_packs_epi32(low, high); }
inline Shorts add(Shorts a, Shorts b) { return _mm512_add_epi16(a, b); }
inline void store(std::int16_t* p, Shorts v) { _mm512_storeu_si512(p, v); }
template <int kPairsOn>
inline Shorts from(Shorts a, Shorts b) {
  return _mm512_maskz_alignr_epi32(0xffff, b, a, kPairsOn);  // the plain form warns in GCC 12
}
#elif defined(__AVX2__)
using Shorts = __m256i;
inline Shorts load(const std::int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Shorts widen(const std::uint8_t* p, std::uint8_t flip) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi8_epi16(_mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip))));
}
inline Shorts repeat(std::int32_t value) { return _mm256_set1_epi32(value); }
inline Shorts low_pairs(Shorts a, Shorts b) { return _mm256_unpacklo_epi16(a, b); }
inline Shorts high_pairs(Shorts a, Shorts b) { return _mm256_unpackhi_epi16(a, b); }
inline Shorts multiply_add(Shorts pairs, Shorts weights, Shorts sum) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, weights));
}
inline Shorts narrow(Shorts low, Shorts high) { return _mm256_packs_epi32(low, high); }
inline Shorts add(Shorts a, Shorts b) { return _mm256_add_epi16(a, b); }
inline void store(std::int16_t* p, Shorts v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
template <int kPairsOn>
inline Shorts from(Shorts a, Shorts b) {
  return _mm256_alignr_epi8(_mm256_permute2x128_si256(a, b, 0x21), a, 4 * kPairsOn);
}
#else
using Shorts = __m128i;
inline Shorts load(const std::int16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Shorts widen(const std::uint8_t* p, std::uint8_t flip) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m128i pixels = _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip)));
  return _mm_srai_epi16(_mm_unpacklo_epi8(pixels, pixels), 8);
}
inline Shorts repeat(std::int32_t value) { return _mm_set1_epi32(value); }
inline Shorts low_pairs(Shorts a, Shorts b) { return _mm_unpacklo_epi16(a, b); }
inline Shorts high_pairs(Shorts a, Shorts b) { return _mm_unpackhi_epi16(a, b); }
inline Shorts multiply_add(Shorts pairs, Shorts weights, Shorts sum) {
  return _mm_add_epi32(sum, _mm_madd_epi16(pairs, weights));
}
inline Shorts narrow(Shorts low, Shorts high) { return _mm_packs_epi32(low, high); }
inline Shorts add(Shorts a, Shorts b) { return _mm_add_epi16(a, b); }
inline void store(std::int16_t* p, Shorts v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
template <int kPairsOn>
inline Shorts from(Shorts a, Shorts b) {
  return _mm_or_si128(_mm_srli_si128(a, 4 * kPairsOn), _mm_slli_si128(b, 16 - 4 * kPairsOn));
}
#endif

}  // namespace
}  // namespace rapidmask

#endif
