// Vectors of float32 of the level's width, and comparisons of them as bits.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace. Some operations have all
// lanes of a mask, since GCC 12 warns of the undefined vectors inside those that have none (its bug 105593).
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "rapidmask/types.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

#if defined(__AVX512BW__)
inline constexpr int kFloats = 16;
#elif defined(__AVX2__)
inline constexpr int kFloats = 8;
#else
inline constexpr int kFloats = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * kFloats)));
typedef std::int32_t Ints __attribute__((vector_size(4 * kFloats)));
using LaneBits = std::uint32_t;  // bit i is lane i

inline Floats splat_float(float x) { return x - Floats{}; }
inline Ints splat_int(std::int32_t x) { return x - Ints{}; }

inline Floats load_floats(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline Ints load_ints(const std::int32_t* from) {
  Ints v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store_floats(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }
inline void store_ints(std::int32_t* to, Ints v) { std::memcpy(to, &v, sizeof v); }

inline Floats load_floats(const BFloat16* from) {
  typedef std::uint16_t Shorts __attribute__((vector_size(2 * kFloats)));
  typedef std::uint32_t Words __attribute__((vector_size(4 * kFloats)));
  Shorts halves;
  std::memcpy(&halves, from, sizeof halves);
  return (Floats)(__builtin_convertvector(halves, Words) << 16);
}
inline Floats load_floats(const Half* from) {
#if defined(__AVX512BW__)
  return (Floats)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  Floats v;
  for (int i = 0; i < kFloats; ++i) v[i] = to_float(from[i]);
  return v;
#endif
}

inline float as_float(float x) { return x; }
inline float as_float(Half x) {
#if defined(__F16C__)
  return _cvtsh_ss(x.bits);
#else
  return to_float(x);
#endif
}
inline float as_float(BFloat16 x) { return to_float(x); }

// The first `count` values with `fill` behind them, by itself: rows end in one place, but loops have it in many.
template <class T>
[[gnu::noinline]] Floats load_few(const T* from, std::int64_t count, float fill) {
  Floats v = splat_float(fill);
  for (std::int64_t i = 0; i < count; ++i) v[i] = as_float(from[i]);
  return v;
}

// The first `count` values, at least 1, with `fill` behind them.
template <class T>
inline Floats load_part(const T* from, std::int64_t count, float fill) {
  if (count >= kFloats) return load_floats(from);
#if defined(__AVX512BW__)
  if constexpr (std::is_same_v<T, float>) {
    return (Floats)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << count) - 1), from);
  }
#endif
  return load_few(from, count, fill);
}

// The greater and the lesser; `b` where either is NaN.
inline Floats greater(Floats a, Floats b) {
#if defined(__AVX512BW__)
  return (Floats)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Floats)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}
inline Floats lesser(Floats a, Floats b) {
#if defined(__AVX512BW__)
  return (Floats)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Floats)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Floats)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}

// What comparisons give, and where it is taken: `a` where it is true, else `b`.
#if defined(__AVX512BW__)
using LaneMask = __mmask16;
inline LaneMask above(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
inline LaneMask at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ); }
inline LaneMask unordered(Floats a, Floats b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q); }
inline Floats choose(LaneMask m, Floats a, Floats b) { return (Floats)_mm512_mask_mov_ps((__m512)b, m, (__m512)a); }
inline Ints choose(LaneMask m, Ints a, Ints b) { return (Ints)_mm512_mask_mov_epi32((__m512i)b, m, (__m512i)a); }
inline LaneBits bits_of(LaneMask m) { return m; }
#else
using LaneMask = Ints;
inline LaneMask above(Floats a, Floats b) { return a > b; }
inline LaneMask at_least(Floats a, Floats b) { return a >= b; }
inline LaneMask unordered(Floats a, Floats b) { return ~((a == a) & (b == b)); }
#if defined(__AVX2__)
inline Floats choose(LaneMask m, Floats a, Floats b) {
  return (Floats)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
inline Ints choose(LaneMask m, Ints a, Ints b) { return (Ints)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
inline LaneBits bits_of(LaneMask m) { return static_cast<LaneBits>(_mm256_movemask_ps((__m256)m)); }
#else
inline Floats choose(LaneMask m, Floats a, Floats b) { return (Floats)((m & (Ints)a) | (~m & (Ints)b)); }
inline Ints choose(LaneMask m, Ints a, Ints b) { return (m & a) | (~m & b); }
#if defined(__SSE2__)
inline LaneBits bits_of(LaneMask m) { return static_cast<LaneBits>(_mm_movemask_ps((__m128)m)); }
#else
inline LaneBits bits_of(LaneMask m) {
  LaneBits bits = 0;
  for (int i = 0; i < kFloats; ++i) bits |= static_cast<LaneBits>(m[i] & 1) << i;
  return bits;
}
#endif
#endif
#endif
inline LaneBits bits_of_less(Ints a, Ints b) {
#if defined(__AVX512BW__)
  return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
#else
  return bits_of(a < b);
#endif
}
inline LaneBits bits_of_equal(Ints a, Ints b) {
#if defined(__AVX512BW__)
  return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
#else
  return bits_of(a == b);
#endif
}

// Lane i of the result is lane i + 1, the last one the first of `next`.
template <int... kLane>
inline Floats shifted_lanes(Floats v, Floats next, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, next, (kLane + 1)...);
}
inline Floats shifted(Floats v, Floats next) {
  return shifted_lanes(v, next, std::make_integer_sequence<int, kFloats>{});
}

// Lane i of the result is lane indices[i].
inline Floats permuted(Floats v, Ints indices) {
#if defined(__AVX512BW__)
  return (Floats)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)indices, (__m512)v);
#elif defined(__AVX2__)
  return (Floats)_mm256_permutevar8x32_ps((__m256)v, (__m256i)indices);
#else
  Floats result;
  for (int i = 0; i < kFloats; ++i) result[i] = v[indices[i]];
  return result;
#endif
}

}  // namespace
}  // namespace rapidmask
