// What is surely foreground or background, of values and of blocks of output columns.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/blocks.hpp"
#include "isa/resample_rows.hpp"

namespace rapidmask {
namespace {

// 64 values above a limit, or not, as bits.
template <bool kAbove>
inline std::uint64_t compare64(const float* x, Block limit) {
#if defined(__AVX512BW__)
  constexpr int kHow = kAbove ? _CMP_GT_OQ : _CMP_NGT_UQ;
  const auto compare = [&](int i) { return _mm512_cmp_ps_mask(load_block(x + i).v, limit.v, kHow); };
  const __mmask32 low = _mm512_kunpackw(compare(16), compare(0)), high = _mm512_kunpackw(compare(48), compare(32));
  return _mm512_kunpackd(high, low);
#else
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i += kBlock) {
    const Block block = load_block(x + i);
    bits |= std::uint64_t{kAbove ? above<true>(block, limit) : not_above(block, limit)} << i;
  }
  return bits;
#endif
}

// What is sure of n values, as bits.
void sure_values(const float* x, std::int64_t n, const SureBounds& bounds, std::uint64_t* foreground,
                 std::uint64_t* background) {
  const Block high = splat_block(bounds.foreground), low = splat_block(bounds.background);
  std::int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    *foreground++ = compare64<true>(x + i, high);
    *background++ = compare64<false>(x + i, low);
  }
  if (i == n) return;
#if defined(__AVX512BW__)
  std::uint64_t sure[2] = {};
  for (int k = 0; i + k < n; k += kBlock) {
    const std::int64_t left = n - i - k;
    const auto valid = static_cast<__mmask16>(left >= kBlock ? kAllOfBlock : (1u << left) - 1);
    const Block block{_mm512_maskz_loadu_ps(valid, x + i + k)};
    sure[0] |= std::uint64_t{above<true>(block, high)} << k;
    sure[1] |= std::uint64_t{not_above(block, low)} << k;
  }
  *foreground = sure[0];
  *background = sure[1];
#else
  float rest[64] = {};
  std::memcpy(rest, x + i, static_cast<std::size_t>(n - i) * sizeof *rest);
  *foreground = compare64<true>(rest, high);
  *background = compare64<false>(rest, low);
#endif
}

// Whether bits [begin, end) are all set.
bool all_set(const std::uint64_t* bits, std::int64_t begin, std::int64_t end) {
  while (begin < end) {
    const std::int64_t stop = begin / 64 * 64 + 64 < end ? begin / 64 * 64 + 64 : end;
    const std::uint64_t wanted = (~std::uint64_t{0} >> (64 - (stop - begin))) << (begin % 64);
    if ((bits[begin / 64] & wanted) != wanted) return false;
    begin = stop;
  }
  return true;
}

#if defined(__AVX2__)
// For as many blocks as a vector has lanes, whose columns are in one window each: bit i of the results tells whether
// all columns of block i are set. A lane takes the two words, of 16 or 32 bits, where its columns begin.
using Windows [[gnu::vector_size(4 * kBlock)]] = std::uint32_t;

inline Windows load_windows(const void* from) {
  Windows lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

void sure_in_windows(const ColumnBlocks& columns, std::int64_t block, std::int64_t origin, const std::uint64_t* bits,
                     std::int64_t bit_words, std::uint32_t& foreground, std::uint32_t& background) {
  const std::int64_t base = (columns.begin[block] - origin) & ~31;
  const auto start = static_cast<std::uint32_t>(origin + base);
  const Windows begin = load_windows(columns.begin + block) - start;
  const Windows count = load_windows(columns.end + block) - start - begin;
  const Windows wanted = ((Windows{} + 1) << count) - 1;
  const auto all = [&](const std::uint64_t* row) {
    const Windows words = load_windows(reinterpret_cast<const std::uint8_t*>(row) + base / 8);
#if defined(__AVX512BW__)
    const Windows word = begin >> 4, pair = word | (word + 1) << 16;
    const auto shifted_in = (Windows)_mm512_maskz_permutexvar_epi16(~__mmask32{0}, (__m512i)pair, (__m512i)words);
    const Windows missing = ~(shifted_in >> (begin & 15)) & wanted;
    return static_cast<std::uint32_t>(_mm512_testn_epi32_mask((__m512i)missing, (__m512i)missing));
#else
    const Windows word = begin >> 5, next = word + 1, shift = begin & 31;
    const auto low = (Windows)_mm256_permutevar8x32_epi32((__m256i)words, (__m256i)word);
    const auto high = (Windows)_mm256_permutevar8x32_epi32((__m256i)words, (__m256i)next);
    const Windows missing = ~(low >> shift | high << 1 << (31 - shift)) & wanted;
    return static_cast<std::uint32_t>(_mm256_movemask_ps((__m256)(missing == 0)));
#endif
  };
  foreground = all(bits);
  background = all(bits + bit_words);
}
#endif

void sure_blocks(const float* row, const SureBounds& bounds, const ColumnBlocks& columns, std::int64_t first,
                 std::int64_t last, std::uint64_t* bits, std::int64_t bit_words, std::uint64_t* foreground,
                 std::uint64_t* background) {
  const std::int64_t origin = columns.begin[first], n = columns.end[last - 1] - origin;
  sure_values(row + origin, n, bounds, bits, bits + bit_words);
  for (std::int64_t k = first / 64; k <= (last - 1) / 64; ++k) foreground[k] = background[k] = 0;
  std::int64_t block = first;
#if defined(__AVX2__)
  if (columns.in_window) {
    while (block < last) {
      // Up to the next multiple, so that results stay within a word.
      const std::int64_t stop = (block / kBlock + 1) * kBlock;
      std::uint32_t sure[2];
      sure_in_windows(columns, block, origin, bits, bit_words, sure[0], sure[1]);
      const std::int64_t count = (stop < last ? stop : last) - block;
      const std::uint32_t valid = (1u << count) - 1;
      foreground[block / 64] |= std::uint64_t{sure[0] & valid} << (block % 64);
      background[block / 64] |= std::uint64_t{sure[1] & valid} << (block % 64);
      block += count;
    }
    return;
  }
#endif
  for (; block < last; ++block) {
    const std::int64_t begin = columns.begin[block] - origin, end = columns.end[block] - origin;
    foreground[block / 64] |= std::uint64_t{all_set(bits, begin, end)} << (block % 64);
    background[block / 64] |= std::uint64_t{all_set(bits + bit_words, begin, end)} << (block % 64);
  }
}

}  // namespace
}  // namespace rapidmask
