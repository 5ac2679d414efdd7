// A vector of 64-bit words, in the width of the level that includes this.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

// The compiler's own vectors have the operators that words need; only the test for zeros is the processor's.
struct Words {
#if defined(__AVX512F__)
  static constexpr int kCount = 8;
#elif defined(__AVX2__)
  static constexpr int kCount = 4;
#else
  static constexpr int kCount = 1;
#endif
  using Vector [[gnu::vector_size(8 * kCount)]] = std::uint64_t;
  Vector v;

  static Words load(const std::uint64_t* words) {
    Words result;
    __builtin_memcpy(&result.v, words, sizeof result.v);
    return result;
  }
  static Words all(std::uint64_t word) { return {Vector{} + word}; }
  void store(std::uint64_t* words) const { __builtin_memcpy(words, &v, sizeof v); }

  // Bit i tells whether word i is not zero.
  unsigned non_zero() const {
#if defined(__AVX512F__)
    const auto words = reinterpret_cast<__m512i>(v);
    return _mm512_test_epi64_mask(words, words);
#elif defined(__AVX2__)
    const __m256i zero = _mm256_cmpeq_epi64(reinterpret_cast<__m256i>(v), _mm256_setzero_si256());
    return static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(zero))) ^ 0xfu;
#else
    return v[0] != 0;
#endif
  }

  friend Words operator&(Words a, Words b) { return {a.v & b.v}; }
  friend Words operator|(Words a, Words b) { return {a.v | b.v}; }
  friend Words operator+(Words a, Words b) { return {a.v + b.v}; }
  friend Words operator~(Words a) { return {~a.v}; }
  friend Words operator<<(Words a, int bits) { return {a.v << bits}; }
  friend Words operator>>(Words a, int bits) { return {a.v >> bits}; }
};

// Words moved by one pixel within their row, whose neighbours at words[-1] and words[kCount] are readable: towards
// higher x (the pixel to the left is in each place) and towards lower x.
[[maybe_unused]] inline Words from_left(const std::uint64_t* words) {
  return Words::load(words) << 1 | Words::load(words - 1) >> 63;
}
[[maybe_unused]] inline Words from_right(const std::uint64_t* words) {
  return Words::load(words) >> 1 | Words::load(words + 1) << 63;
}

// Bits up to the lowest set bit of a word that is not zero, that bit included; and the word without that bit.
[[maybe_unused]] inline std::uint64_t through_lowest(std::uint64_t word) { return word ^ (word - 1); }
[[maybe_unused]] inline std::uint64_t without_lowest(std::uint64_t word) { return word & (word - 1); }

}  // namespace
}  // namespace rapidmask
