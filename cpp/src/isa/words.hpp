// Vectors of 64-bit words, in the width of the level that includes this, and walks over words that are rarely of
// interest.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

// kCount words. The compiler's own vectors have the operators that words need; only the test for zeros is the
// processor's.
template <int kCount>
struct WordsOf {
  using Vector [[gnu::vector_size(8 * kCount)]] = std::uint64_t;
  Vector v;
};
template <>
struct WordsOf<1> {
  using Vector = std::uint64_t;
  Vector v;
};

template <int kCount>
inline WordsOf<kCount> load_words(const std::uint64_t* words) {
  WordsOf<kCount> result;
  __builtin_memcpy(&result.v, words, sizeof result.v);
  return result;
}
template <int kCount>
inline WordsOf<kCount> all_words(std::uint64_t word) {
  return {typename WordsOf<kCount>::Vector{} + word};
}
template <int kCount>
inline WordsOf<kCount> operator&(WordsOf<kCount> a, WordsOf<kCount> b) {
  return {a.v & b.v};
}
template <int kCount>
inline WordsOf<kCount> operator|(WordsOf<kCount> a, WordsOf<kCount> b) {
  return {a.v | b.v};
}
template <int kCount>
inline WordsOf<kCount> operator+(WordsOf<kCount> a, WordsOf<kCount> b) {
  return {a.v + b.v};
}
template <int kCount>
inline WordsOf<kCount> operator~(WordsOf<kCount> a) {
  return {~a.v};
}
template <int kCount>
inline WordsOf<kCount> operator<<(WordsOf<kCount> a, int bits) {
  return {a.v << bits};
}
template <int kCount>
inline WordsOf<kCount> operator>>(WordsOf<kCount> a, int bits) {
  return {a.v >> bits};
}

#if defined(__AVX512F__)
inline constexpr int kVectorWords = 8;
#elif defined(__AVX2__)
inline constexpr int kVectorWords = 4;
#else
inline constexpr int kVectorWords = 1;
#endif

// Bit i tells whether word i is not zero.
[[maybe_unused]] inline std::uint64_t non_zero(WordsOf<kVectorWords> words) {
#if defined(__AVX512F__)
  const auto v = reinterpret_cast<__m512i>(words.v);
  return _mm512_test_epi64_mask(v, v);
#elif defined(__AVX2__)
  const __m256i zero = _mm256_cmpeq_epi64(reinterpret_cast<__m256i>(words.v), _mm256_setzero_si256());
  return static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(zero))) ^ 0xfu;
#else
  return words.v != 0;
#endif
}

// Words moved by one pixel within their row, between whose neighbours words[-1] and words[kCount] they lie: towards
// higher x (the pixel to the left is in each place) and towards lower x.
template <int kCount>
inline WordsOf<kCount> from_left(const std::uint64_t* words) {
  return load_words<kCount>(words) << 1 | load_words<kCount>(words - 1) >> 63;
}
template <int kCount>
inline WordsOf<kCount> from_right(const std::uint64_t* words) {
  return load_words<kCount>(words) >> 1 | load_words<kCount>(words + 1) << 63;
}

// How many words after the last are read.
inline constexpr int kBusySlack = 64;

// Calls visit(i) for the words i in [begin, end) for which test(WordsOf<kCount>{}, i), of kCount words from i, is not
// zero. Whole blocks of words are tested before any is visited, so that what is rare costs one branch for 64 words.
template <class Test, class Visit>
inline void for_busy_words(std::int64_t begin, std::int64_t end, const Test& test, const Visit& visit) {
  for (std::int64_t i = begin; i < end; i += 64) {
    std::uint64_t busy = 0;
    for (int k = 0; k < 64; k += kVectorWords) busy |= non_zero(test(WordsOf<kVectorWords>{}, i + k)) << k;
    if (end - i < 64) busy &= (std::uint64_t{1} << (end - i)) - 1;
    for (; busy != 0; busy &= busy - 1) visit(i + __builtin_ctzll(busy));
  }
}

// Bits up to the lowest set bit of a word that is not zero, that bit included; and the word without that bit.
[[maybe_unused]] inline std::uint64_t through_lowest(std::uint64_t word) { return word ^ (word - 1); }
[[maybe_unused]] inline std::uint64_t without_lowest(std::uint64_t word) { return word & (word - 1); }

}  // namespace
}  // namespace rapidmask
