// The pixel loops of `threshold`, compiled once per instruction level (RM_LEVEL).
//
// The dense loops are written for the compiler to vectorise. The packed ones compare 64 pixels at a time: with AVX-512
// straight to a mask register, below it through 64 bytes that stay in the first cache.

#include "isa/threshold_rows.hpp"

#include "isa/bits.hpp"

namespace rapidmask {
namespace {

template <class T>
void compare(const T* __restrict x, const Bound<T>& bound, std::int64_t count, std::uint8_t* __restrict mask) {
  if constexpr (kIsFloat<T>) {
    const T value = bound.value;
    if (bound.strict) {
      for (std::int64_t i = 0; i < count; ++i) mask[i] = x[i] > value;
    } else {
      for (std::int64_t i = 0; i < count; ++i) mask[i] = x[i] >= value;
    }
  } else if (bound.none) {
    std::memset(mask, 0, static_cast<std::size_t>(count));
  } else if constexpr (kIsHalfWidth<T>) {
    const std::int16_t first = bound.first;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int16_t key = half_width_key(x[i].bits);
      mask[i] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(key >= first) &
                                          static_cast<std::uint8_t>(key <= KeyOf<T>::kInfinity));
    }
  } else {
    const T first = bound.first;
    for (std::int64_t i = 0; i < count; ++i) mask[i] = x[i] >= first;
  }
}

#if defined(__AVX512BW__)
// Sixty-four comparisons as a mask. The bound's vector is built once, outside the loop over pixels.
template <class T, bool strict>
struct Compare64 {
  __m512i bound;
  explicit Compare64(const Bound<T>& b) {
    if constexpr (std::is_same_v<T, float>) {
      bound = _mm512_castps_si512(_mm512_set1_ps(b.value));
    } else if constexpr (std::is_same_v<T, double>) {
      bound = _mm512_castpd_si512(_mm512_set1_pd(b.value));
    } else if constexpr (sizeof(T) == 1) {
      bound = _mm512_set1_epi8(static_cast<char>(b.first));
    } else if constexpr (sizeof(T) == 2) {
      bound = _mm512_set1_epi16(static_cast<short>(b.first));
    } else if constexpr (sizeof(T) == 4) {
      bound = _mm512_set1_epi32(static_cast<int>(b.first));
    } else {
      bound = _mm512_set1_epi64(static_cast<long long>(b.first));
    }
  }
  std::uint64_t vector(const __m512i v) const {
    if constexpr (std::is_same_v<T, float>) {
      return _mm512_cmp_ps_mask(_mm512_castsi512_ps(v), _mm512_castsi512_ps(bound), strict ? _CMP_GT_OQ : _CMP_GE_OQ);
    } else if constexpr (std::is_same_v<T, double>) {
      return _mm512_cmp_pd_mask(_mm512_castsi512_pd(v), _mm512_castsi512_pd(bound), strict ? _CMP_GT_OQ : _CMP_GE_OQ);
    } else if constexpr (kIsHalfWidth<T>) {
      const __m512i sign = _mm512_srli_epi16(_mm512_srai_epi16(v, 15), 1);
      const __m512i key = _mm512_xor_si512(v, sign);
      return _mm512_cmpge_epi16_mask(key, bound) & _mm512_cmple_epi16_mask(key, _mm512_set1_epi16(KeyOf<T>::kInfinity));
    } else if constexpr (std::is_same_v<T, std::uint8_t>) {
      return _mm512_cmpge_epu8_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::int8_t>) {
      return _mm512_cmpge_epi8_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::uint16_t>) {
      return _mm512_cmpge_epu16_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::int16_t>) {
      return _mm512_cmpge_epi16_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::uint32_t>) {
      return _mm512_cmpge_epu32_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::int32_t>) {
      return _mm512_cmpge_epi32_mask(v, bound);
    } else if constexpr (std::is_same_v<T, std::uint64_t>) {
      return _mm512_cmpge_epu64_mask(v, bound);
    } else {
      return _mm512_cmpge_epi64_mask(v, bound);
    }
  }
  std::uint64_t operator()(const T* x) const {
    constexpr int lanes = 64 / static_cast<int>(sizeof(T));
    std::uint64_t word = 0;
    for (int i = 0; i < static_cast<int>(sizeof(T)); ++i) {
      word |= vector(_mm512_loadu_si512(x + i * lanes)) << (i * lanes);
    }
    return word;
  }
};
#else
template <class T, bool strict>
struct Compare64 {
  Bound<T> bound;
  explicit Compare64(const Bound<T>& b) : bound(b) {
    if constexpr (kIsFloat<T>) bound.strict = strict;
  }
  std::uint64_t operator()(const T* x) const {
    std::uint8_t bytes[64];
    compare(x, bound, 64, bytes);
    return pack64(bytes);
  }
};
#endif

template <class T, bool strict>
void compare_rows(const T* x, const Bound<T>& bound, std::int64_t rows, std::int64_t w, std::uint64_t* words) {
  if (w % 64 == 0) {  // no tails: one long row
    w *= rows;
    rows = w == 0 ? 0 : 1;
  }
  const Compare64<T, strict> compare64(bound);
  for (std::int64_t y = 0; y < rows; ++y, x += w) {
    std::int64_t i = 0;
    for (; i + 64 <= w; i += 64) *words++ = compare64(x + i);
    if (i < w) {
      std::uint64_t word = 0;
      for (std::int64_t j = i; j < w; ++j) word |= std::uint64_t{bound(x[j])} << (j - i);
      *words++ = word;
    }
  }
}

template <class T>
void dense(const void* x, const void* bound, std::int64_t count, std::uint8_t* mask) {
  compare(static_cast<const T*>(x), *static_cast<const Bound<T>*>(bound), count, mask);
}

template <class T>
void packed(const void* x, const void* bound, std::int64_t rows, std::int64_t w, std::uint64_t* words) {
  const auto* pixels = static_cast<const T*>(x);
  const auto& limit = *static_cast<const Bound<T>*>(bound);
  if constexpr (kIsFloat<T>) {
    if (limit.strict) return compare_rows<T, true>(pixels, limit, rows, w, words);
  } else if (limit.none) {
    std::memset(words, 0, static_cast<std::size_t>(rows * ((w + 63) / 64)) * 8);
    return;
  }
  compare_rows<T, false>(pixels, limit, rows, w, words);
}

template <class T, class Value>
void surface(const void* x, const void* surface, bool strict, std::int64_t count, std::uint8_t* mask) {
  const auto* __restrict pixels = static_cast<const T*>(x);
  const auto* __restrict values = static_cast<const Value*>(surface);
  if (strict) {
    for (std::int64_t i = 0; i < count; ++i) mask[i] = exceeds(pixels[i], values[i], true);
  } else {
    for (std::int64_t i = 0; i < count; ++i) mask[i] = exceeds(pixels[i], values[i], false);
  }
}

template <class... T>
constexpr ThresholdRows make_table() {
  return {{dense<T>...},
          {packed<T>...},
          {{surface<T, float>, surface<T, double>, surface<T, std::int64_t>, surface<T, std::uint64_t>}...}};
}

}  // namespace

namespace RM_LEVEL {
extern const ThresholdRows threshold_rows;
// In the order of DType; a boolean is a byte.
const ThresholdRows threshold_rows =
    make_table<std::uint8_t, std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
               std::uint64_t, std::int64_t, Half, BFloat16, float, double>();
}  // namespace RM_LEVEL

}  // namespace rapidmask
