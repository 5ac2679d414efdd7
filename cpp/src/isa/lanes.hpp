// Vectors of numbers in the compiler's own vector types: of 32 bytes from x86_v3 on, since those of 64 were 8 % slower
// in windows on an AMD EPYC with AVX-512, where each unaligned load crosses a cache line.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

#if defined(__AVX2__)
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
template <class T>
inline Vector<T> ascending() {  // 0, 1, 2, …
  Vector<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = static_cast<T>(i);
  return v;
}
template <class V>
inline V lesser(V a, V b) {
  return a < b ? a : b;
}

// Lane i of the result is lane i ^ kBit.
template <int kBit, class V, int... kLane>
inline V exchanged_lanes(V v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, v, (kLane ^ kBit)...);
}
template <int kBit, class V>
inline V exchanged(V v) {
  return exchanged_lanes<kBit>(v, std::make_integer_sequence<int, sizeof(V) / sizeof(v[0])>{});
}

// Whether a > b in any lane.
inline bool any_greater(Vector<std::int16_t> a, Vector<std::int16_t> b) {
#if defined(__AVX512BW__)
  return _mm256_cmpgt_epi16_mask((__m256i)a, (__m256i)b) != 0;
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
  return _mm256_cmpgt_epi32_mask((__m256i)a, (__m256i)b) != 0;
#else
  return any_greater((Vector<std::int16_t>)(a > b) & 1, Vector<std::int16_t>{});
#endif
}
inline bool any_greater(Vector<double> a, Vector<double> b) {
#if defined(__AVX512BW__)
  return _mm256_cmp_pd_mask((__m256d)a, (__m256d)b, _CMP_GT_OQ) != 0;
#else
  return any_greater((Vector<std::int16_t>)(a > b) & 1, Vector<std::int16_t>{});
#endif
}

}  // namespace
}  // namespace rapidmask
