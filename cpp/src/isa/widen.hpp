// Rows of logits of any floating type as float32.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>

#include "rapidmask/types.hpp"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

// The row itself where it is float32 already, else `buffer`, which is filled with its n values.
inline const float* widen(const float* row, std::int64_t, float*) { return row; }

inline const float* widen(const BFloat16* row, std::int64_t n, float* buffer) {
  for (std::int64_t i = 0; i < n; ++i) buffer[i] = to_float(row[i]);
  return buffer;
}

inline const float* widen(const Half* row, std::int64_t n, float* buffer) {
  std::int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
    _mm256_storeu_ps(buffer + i, _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < n; ++i) buffer[i] = to_float(row[i]);
  return buffer;
}

}  // namespace
}  // namespace rapidmask
