// Vectors of numbers as wide as the instruction level has them, in the compiler's own vector types.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

#if defined(__AVX512BW__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
inline Vector<T> load(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
inline void store(T* to, Vector<T> v) {
  std::memcpy(to, &v, sizeof v);
}
template <class T>
inline Vector<T> splat(T value) {
  return value - Vector<T>{};
}
template <class V>
inline V lesser(V a, V b) {
  return a < b ? a : b;
}

// Whether a > b in any lane.
inline bool any_greater(Vector<std::int16_t> a, Vector<std::int16_t> b) {
#if defined(__AVX512BW__)
  return _mm512_cmpgt_epi16_mask((__m512i)a, (__m512i)b) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8((__m256i)(a > b)) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)(a > b)) != 0;
#else
  const auto words = (Vector<std::int64_t>)(a > b);
  return (words[0] | words[1]) != 0;
#endif
}
inline bool any_greater(Vector<std::int32_t> a, Vector<std::int32_t> b) {
#if defined(__AVX512BW__)
  return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b) != 0;
#else
  return any_greater((Vector<std::int16_t>)(a > b) & 1, Vector<std::int16_t>{});
#endif
}
inline bool any_greater(Vector<double> a, Vector<double> b) {
#if defined(__AVX512BW__)
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ) != 0;
#else
  return any_greater((Vector<std::int16_t>)(a > b) & 1, Vector<std::int16_t>{});
#endif
}

}  // namespace
}  // namespace rapidmask
