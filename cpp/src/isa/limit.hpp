// Comparisons of floats with a finite limit by their signs, 64 at a time.
//
// A sum of two floats, rounded, has the sign of the exact one, and is 0 only if that is: x > limit where x - limit > 0.
// And floats are positive where they are as integers, which saturation keeps: 64 of them become bytes with one
// comparison at last, where vectors of floats need one each and put their bits together. NaN must be negative: values
// that were NaN are -infinity, whose mixtures are neither above a limit, and x86 gives negative ones of its own.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/blocks.hpp"

namespace rapidmask {
namespace {

inline constexpr int kBlocksInWord = 64 / kBlock;

struct Limit {
  Block shift;
  bool shifted, strict;

  Limit(float limit, bool is_strict)
      : shift(splat_block(limit == 0 ? 0.0f : -limit)),  // 0 also makes 0 of -0
        shifted(limit != 0 || !is_strict),
        strict(is_strict) {}
};

// Values with -infinity for NaN, as a limit takes them.
inline Block without_nan(Block x) { return no_less(x, splat_block(-__builtin_inff())); }

#if defined(__AVX2__)
inline constexpr bool kHasFourfold = true;
#else
inline constexpr bool kHasFourfold = false;
#endif

// Which of 64 values are above a limit, or at it if it is not strict. `kShifted` as the limit tells, or true.
// `kFourfold`: value 4 l + j of each 4 · kBlock is lane l of vector j.
template <bool kShifted, bool kFourfold>
inline std::uint64_t beyond(const Block* x, const Limit& limit) {
  const auto over = [&](int i) { return kShifted ? x[i] + limit.shift : x[i]; };
  std::uint64_t bits = 0;
#if defined(__AVX512BW__)
  const auto two = [&](int i) {
    return _mm512_packs_epi32(_mm512_castps_si512(over(i).v), _mm512_castps_si512(over(i + 1).v));
  };
  const __m512i packed = _mm512_packs_epi16(two(0), two(2));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i turned = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
  const __m512i bytes = kFourfold ? _mm512_shuffle_epi8(packed, turned)  // four rows of four bytes in each 16
                                  : _mm512_maskz_permutexvar_epi32(0xffff, order, packed);
  bits = _mm512_cmpgt_epi8_mask(bytes, _mm512_set1_epi8(limit.strict ? 0 : -1));
#elif defined(__AVX2__)
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i turned = _mm256_broadcastsi128_si256(_mm_set_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400));
  const __m256i floor = _mm256_set1_epi8(limit.strict ? 0 : -1);
  const auto two = [&](int i) {
    return _mm256_packs_epi32(_mm256_castps_si256(over(i).v), _mm256_castps_si256(over(i + 1).v));
  };
  for (int i = 0; i < kBlocksInWord; i += 4) {
    const __m256i packed = _mm256_packs_epi16(two(i), two(i + 2));
    const __m256i bytes = kFourfold ? _mm256_shuffle_epi8(packed, turned) : _mm256_permutevar8x32_epi32(packed, order);
    const auto half = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(bytes, floor)));
    bits |= std::uint64_t{half} << (i * kBlock);
  }
#elif defined(__SSE2__)
  const __m128i floor = _mm_set1_epi8(limit.strict ? 0 : -1);
  const auto eight = [&](int i) {
    const Block block = over(i);
    return _mm_packs_epi32(_mm_castps_si128(_mm_loadu_ps(block.v)), _mm_castps_si128(_mm_loadu_ps(block.v + 4)));
  };
  for (int i = 0; i < kBlocksInWord; i += 2) {
    const __m128i bytes = _mm_packs_epi16(eight(i), eight(i + 1));
    const auto part = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpgt_epi8(bytes, floor)));
    bits |= std::uint64_t{part} << (i * kBlock);
  }
#else
  const Block zero = splat_block(0);
  for (int i = 0; i < kBlocksInWord; ++i) {
    bits |= std::uint64_t{limit.strict ? above<true>(over(i), zero) : above<false>(over(i), zero)} << (i * kBlock);
  }
#endif
  return bits;
}

}  // namespace
}  // namespace rapidmask
