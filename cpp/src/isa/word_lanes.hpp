// Vectors of 64-bit words at the width of the instruction level, for row loops on packed masks.
//
// Everything has internal linkage: each level compiles its own. The `part` variants touch `count` words only, 0 < count
// < kLanes. Shifts by 64 give 0. words_before gives the words one place before those of `here`, words_after one place
// after, `before` and `after` being its neighbours.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

#if defined(__AVX512F__)
using Words = __m512i;
using Shift = __m512i;
constexpr int kLanes = 8;
inline Words load(const std::uint64_t* p) { return _mm512_loadu_si512(p); }
inline Words load_part(const std::uint64_t* p, int count) {
  return _mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << count) - 1), p);
}
inline void store(std::uint64_t* p, Words v) { _mm512_storeu_si512(p, v); }
inline void store_part(std::uint64_t* p, Words v, int count) {
  _mm512_mask_storeu_epi64(p, static_cast<__mmask8>((1u << count) - 1), v);
}
inline Words repeat(std::uint64_t word) { return _mm512_set1_epi64(static_cast<long long>(word)); }
inline Shift shift_by(std::int64_t bits) { return _mm512_set1_epi64(bits); }
inline Words shift_left(Words v, Shift by) { return _mm512_maskz_sllv_epi64(0xff, v, by); }
inline Words shift_right(Words v, Shift by) { return _mm512_maskz_srlv_epi64(0xff, v, by); }
inline Words words_before(Words before, Words here) { return _mm512_maskz_alignr_epi64(0xff, here, before, 7); }
inline Words words_after(Words here, Words after) { return _mm512_maskz_alignr_epi64(0xff, after, here, 1); }
inline Words both(Words a, Words b) { return a & b; }
inline Words either(Words a, Words b) { return a | b; }
inline Words all_of(Words a, Words b, Words c) { return _mm512_ternarylogic_epi64(a, b, c, 0x80); }
inline Words any_of(Words a, Words b, Words c) { return _mm512_ternarylogic_epi64(a, b, c, 0xfe); }
inline Words and_either(Words a, Words b, Words c) { return _mm512_ternarylogic_epi64(a, b, c, 0xe0); }
#elif defined(__AVX2__)
using Words = __m256i;
using Shift = __m256i;
constexpr int kLanes = 4;
inline __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline Words load(const std::uint64_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Words load_part(const std::uint64_t* p, int count) {
  return _mm256_maskload_epi64(reinterpret_cast<const long long*>(p), first_lanes(count));
}
inline void store(std::uint64_t* p, Words v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
inline void store_part(std::uint64_t* p, Words v, int count) {
  _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), first_lanes(count), v);
}
inline Words repeat(std::uint64_t word) { return _mm256_set1_epi64x(static_cast<long long>(word)); }
inline Shift shift_by(std::int64_t bits) { return _mm256_set1_epi64x(bits); }
inline Words shift_left(Words v, Shift by) { return _mm256_sllv_epi64(v, by); }
inline Words shift_right(Words v, Shift by) { return _mm256_srlv_epi64(v, by); }
inline Words words_before(Words before, Words here) {
  return _mm256_alignr_epi8(here, _mm256_permute2x128_si256(before, here, 0x21), 8);
}
inline Words words_after(Words here, Words after) {
  return _mm256_alignr_epi8(_mm256_permute2x128_si256(here, after, 0x21), here, 8);
}
#elif defined(__SSE2__)
using Words = __m128i;
using Shift = __m128i;
constexpr int kLanes = 2;
inline Words load(const std::uint64_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Words load_part(const std::uint64_t* p, int) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
inline void store(std::uint64_t* p, Words v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
inline void store_part(std::uint64_t* p, Words v, int) { _mm_storel_epi64(reinterpret_cast<__m128i*>(p), v); }
inline Words repeat(std::uint64_t word) { return _mm_set1_epi64x(static_cast<long long>(word)); }
inline Shift shift_by(std::int64_t bits) { return _mm_cvtsi64_si128(bits); }
inline Words shift_left(Words v, Shift by) { return _mm_sll_epi64(v, by); }
inline Words shift_right(Words v, Shift by) { return _mm_srl_epi64(v, by); }
inline Words words_before(Words before, Words here) {
  return _mm_castpd_si128(_mm_shuffle_pd(_mm_castsi128_pd(before), _mm_castsi128_pd(here), 1));
}
inline Words words_after(Words here, Words after) { return words_before(here, after); }
#else
using Words = std::uint64_t;
using Shift = std::int64_t;
constexpr int kLanes = 1;
inline Words load(const std::uint64_t* p) { return *p; }
inline Words load_part(const std::uint64_t* p, int) { return *p; }
inline void store(std::uint64_t* p, Words v) { *p = v; }
inline void store_part(std::uint64_t* p, Words v, int) { *p = v; }
inline Words repeat(std::uint64_t word) { return word; }
inline Shift shift_by(std::int64_t bits) { return bits; }
inline Words shift_left(Words v, Shift by) { return by == 64 ? 0 : v << by; }
inline Words shift_right(Words v, Shift by) { return by == 64 ? 0 : v >> by; }
inline Words words_before(Words before, Words) { return before; }
inline Words words_after(Words, Words after) { return after; }
#endif

#if !defined(__AVX512F__)
inline Words both(Words a, Words b) { return a & b; }
inline Words either(Words a, Words b) { return a | b; }
inline Words all_of(Words a, Words b, Words c) { return a & b & c; }
inline Words any_of(Words a, Words b, Words c) { return a | b | c; }
inline Words and_either(Words a, Words b, Words c) { return a & (b | c); }
#endif

}  // namespace
}  // namespace rapidmask
